"""A run resumed without the state of its loss."""

from __future__ import annotations

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training


class StateLostOnResume(Kind):
    """Temperature and queue start anew in the middle of the run. It mostly recovers before the end."""

    what = "Temperature and queue start anew at 60 percent of the run"
    causes = ("state-lost-on-resume",)
    of = "smooth-ap"
    onset = 0.6

    def before_step(self, step: int, training: Training) -> None:
        if _parts.begins(step, self.onset, training):
            training.started = step
            training.main.reset_queue()


KIND = StateLostOnResume()
