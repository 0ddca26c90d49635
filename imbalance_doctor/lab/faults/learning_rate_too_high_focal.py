"""Steps of the optimiser that are far too large for the focal loss."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class LearningRateTooHighFocal(Kind):
    """Weights jump over every minimum; scores explode, or units die and the answer is constant."""

    what = "Focal loss with a learning rate of 0.2 to 5"
    causes = ("learning-rate-too-high",)
    of = "focal"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(0.2, 5.0))


KIND = LearningRateTooHighFocal()
