"""A cosine of the learning rate that starts over."""

from __future__ import annotations

import math

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class WarmRestarts(Kind):
    """Each restart throws the weights about, and they settle again."""

    what = "Trains with plain cross-entropy; the learning rate follows a cosine that starts over three times"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = (
        "the loss and its gradient rise at each restart, and the learning rate leaps from nearly "
        "0 to its peak"
    )

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce", steps=setup.steps + 200)

    def before_step(self, step: int, training: Training) -> None:
        setup = training.setup
        done = (step - 1) / setup.steps * 4 % 1
        for group in training.optimizer.param_groups:
            group["lr"] = setup.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


KIND = WarmRestarts()
