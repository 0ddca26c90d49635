"""A weighted loss above that of chance without weights."""

from __future__ import annotations

from torch import Tensor

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class HeavyWeights(Kind):
    """Weights of both classes that are not scaled back to a mean of 1."""

    what = "Trains with weighted cross-entropy, both classes weighted up"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "the loss starts at several times .69 and stays above it all along: the weights do not average 1"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="weighted-bce", pos_weight=None)

    def plain(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        return 4 * training.plain(logits, targets)


KIND = HeavyWeights()
