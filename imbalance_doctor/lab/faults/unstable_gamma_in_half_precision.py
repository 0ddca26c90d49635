"""A gamma below 1 in a focal loss in float16."""

from __future__ import annotations

from torch import Tensor

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World
from imbalance_doctor.replay.symptoms._parts import plain_focal


class UnstableGammaInHalfPrecision(Kind):
    """float16 rounds p to 1 from logits of 8 on, where the power of 1 - p has an infinite slope."""

    what = "Focal loss with a gamma of 0.2 to 0.8 on probabilities in float16"
    causes = ("unstable-gamma",)
    of = "focal"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(0.003, 0.01), score_scale=draw.between(1.5, 4.0))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(gamma=draw.between(0.2, 0.8), alpha=-1.0)

    def plain(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        wanted = targets.reshape(logits.shape)
        loss: Tensor = plain_focal(logits.half(), wanted, training.setup.gamma).float().mean()
        return loss


KIND = UnstableGammaInHalfPrecision()
