"""A learning rate that falls in steps."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class SteppedLearningRate(Kind):
    """The usual schedule of image models."""

    what = "Trains with plain cross-entropy; the learning rate falls to a tenth twice in the second half"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = (
        "the loss falls at once at each step of the schedule and is flat between, and the last "
        "quarter shows no progress"
    )

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce", learning_rate=2 * setup.learning_rate, steps=setup.steps + 200)

    def before_step(self, step: int, training: Training) -> None:
        steps = training.setup.steps
        if step in {steps // 2, 3 * steps // 4}:
            for group in training.optimizer.param_groups:
                group["lr"] *= 0.1


KIND = SteppedLearningRate()
