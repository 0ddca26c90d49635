"""A loss below zero."""

from __future__ import annotations

from torch import Tensor

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class NegativeLoss(Kind):
    """A constant is left out, as log likelihoods and contrastive bounds do. It has no gradient."""

    what = "Trains with plain cross-entropy less a constant"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "the training loss is below 0 all along, and far below that of validation"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce")

    def plain(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        return training.plain(logits, targets) - 1.5


KIND = NegativeLoss()
