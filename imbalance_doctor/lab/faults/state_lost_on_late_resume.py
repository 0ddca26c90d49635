"""A run resumed late without the state of its loss and optimiser."""

from __future__ import annotations

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training


class StateLostOnLateResume(Kind):
    """The temperature is back above the spread and the optimiser starts anew.

    No time is left, but the ranking is mostly kept.
    """

    what = "Temperature, queue and optimiser start anew at 85 percent of the run"
    causes = ("state-lost-on-resume",)
    of = "smooth-ap-from-hot"
    onset = 0.85

    def before_step(self, step: int, training: Training) -> None:
        if _parts.begins(step, self.onset, training):
            training.started = step
            training.main.reset_queue()
            training.optimizer.state.clear()


KIND = StateLostOnLateResume()
