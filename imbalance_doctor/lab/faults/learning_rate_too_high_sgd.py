"""Steps of plain gradient descent that are far too large."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class LearningRateTooHighSGD(Kind):
    """Weights jump over every minimum until units die or the loss is no number."""

    what = "SGD with a learning rate of 10 to 300"
    causes = ("learning-rate-too-high",)
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(optimizer="SGD", learning_rate=draw.between(0.1, 0.4))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(10.0, 300.0))


KIND = LearningRateTooHighSGD()
