"""Steps of the optimiser that are far too small."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class LearningRateTooLow(Kind):
    """Weights hardly leave their random start within the run."""

    what = "A learning rate of 1e-7 to 2e-5"
    causes = ("learning-rate-too-low",)
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(1e-7, 2e-5))


KIND = LearningRateTooLow()
