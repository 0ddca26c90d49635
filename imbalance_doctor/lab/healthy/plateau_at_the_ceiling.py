"""A run that is done early and goes on."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class PlateauAtTheCeiling(Kind):
    """The learning rate falls to nearly nothing once all is learned."""

    what = "Trains with plain cross-entropy; the learning rate falls to a hundredth after half of the run"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = (
        "nothing moves in the second half: the ceiling is reached, and the learning rate is next to 0 by plan"
    )

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce", steps=setup.steps + 300)

    def before_step(self, step: int, training: Training) -> None:
        if step == training.setup.steps // 2:
            for group in training.optimizer.param_groups:
                group["lr"] *= 0.01


KIND = PlateauAtTheCeiling()
