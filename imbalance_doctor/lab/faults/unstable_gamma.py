"""A gamma below 1 in the focal loss as it is usually written."""

from __future__ import annotations

from torch import Tensor

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World
from imbalance_doctor.replay.symptoms._parts import plain_focal


class UnstableGamma(Kind):
    """The power of 1 - p has an infinite slope where float32 rounds p to 1.

    A sure row then makes the gradient no number.
    """

    what = "Focal loss with a gamma of 0.2 to 0.8, not stabilised"
    causes = ("unstable-gamma",)
    of = "focal"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(0.008, 0.02), score_scale=draw.between(5.0, 16.0))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(gamma=draw.between(0.2, 0.8), alpha=-1.0)

    def plain(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        loss: Tensor = plain_focal(logits, targets.reshape(logits.shape), training.setup.gamma).mean()
        return loss


KIND = UnstableGamma()
