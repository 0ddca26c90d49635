"""A focal gamma of 6 to 20."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class GammaTooHigh(Kind):
    """Only the hardest rows have a gradient, so that plain gradient descent soon stops."""

    what = "Focal loss with a gamma of 6 to 20"
    causes = ("gamma-too-high",)
    of = "focal"
    tasks = ("binary", "multiclass", "multilabel")

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(optimizer="SGD", learning_rate=draw.between(0.3, 1.0))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(gamma=draw.between(6.0, 20.0))


KIND = GammaTooHigh()
