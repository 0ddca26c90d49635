"""A loss that is a sum over the batch."""

from __future__ import annotations

from torch import Tensor

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class SummedLoss(Kind):
    """Adam does not mind the scale of a loss."""

    what = "Trains with plain cross-entropy summed over the batch, not averaged"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "the loss and the norm of the gradient are in the tens, a hundred times what one is used to"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce")

    def plain(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        return training.plain(logits, targets) * len(logits)


KIND = SummedLoss()
