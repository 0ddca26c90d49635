"""Weight decay so strong that only the biases are left."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class WeightDecayTooStrong(Kind):
    """The decay pulls the weights to zero faster than the loss moves them, so every row gets the prior."""

    what = "A weight decay of 0.1 to 10"
    causes = ("majority-collapse", "not-separable")
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(optimizer="Adam")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.1, 10.0))

    def before_step(self, step: int, training: Training) -> None:
        for group in training.optimizer.param_groups:
            group["weight_decay"] = training.setup.severity


KIND = WeightDecayTooStrong()
