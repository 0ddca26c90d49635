"""A learning rate that decays to nothing in the first steps."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class LearningRateDecaysAtOnce(Kind):
    """A decay set for epochs is applied at each step. Weights stay near their random start."""

    what = "The learning rate is multiplied by 0.5 to 0.9 at each step"
    causes = ("learning-rate-too-low",)
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.5, 0.9))

    def before_step(self, step: int, training: Training) -> None:
        for group in training.optimizer.param_groups:
            group["lr"] *= training.setup.severity


KIND = LearningRateDecaysAtOnce()
