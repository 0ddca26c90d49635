"""Focal loss as it is usually set."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class Focal(Kind):
    """Focal loss, sigmoid or softmax."""

    what = "Trains with the focal loss"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="softmax-focal" if world.task == "multiclass" else "sigmoid-focal",
            gamma=draw.between(0.8, 3.0),
            alpha=draw.choice([-1.0, 0.25, 0.75]),
            label_smoothing=0.0,
        )


KIND = Focal()
