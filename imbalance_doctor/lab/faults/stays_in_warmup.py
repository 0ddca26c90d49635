"""A switch to the main phase that is never called."""

from __future__ import annotations

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.training import Training


class StaysInWarmup(Kind):
    """The hook that counts epochs is never called, so that the ranking loss never starts.

    Binary cross-entropy ranks well itself, so little is lost.
    """

    what = "The warm-up never ends"
    causes = ("schedule-not-wired", "warmup-too-long")
    of = "smooth-ap"
    onset = 0.25

    def before_step(self, step: int, training: Training) -> None:
        training.warm = training.started = training.setup.steps


KIND = StaysInWarmup()
