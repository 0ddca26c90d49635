"""A learning rate that begins near zero."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class WarmedUpLearningRate(Kind):
    """A linear warm-up as transformers are trained with."""

    what = "Trains with plain cross-entropy; the learning rate rises from 0 for a third, then falls"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "nothing moves in the first rows, and the run ends with a learning rate of 0"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce", learning_rate=1.5 * setup.learning_rate, steps=setup.steps + 200)

    def before_step(self, step: int, training: Training) -> None:
        setup = training.setup
        done = step / setup.steps
        for group in training.optimizer.param_groups:
            group["lr"] = setup.learning_rate * min(3 * done, 1.5 * (1 - done))


KIND = WarmedUpLearningRate()
