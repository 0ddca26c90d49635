"""Too large steps until float16 has no number for the logits."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.worlds import World


class LearningRateTooHighInHalfPrecision(Kind):
    """Logits beyond 65504 are infinite in float16. The loss is no number from there on."""

    what = "A learning rate of 1 to 10 on logits in float16"
    causes = ("learning-rate-too-high",)
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(1.0, 10.0))

    def network(self, net: nn.Sequential) -> nn.Sequential:
        return net.append(_parts.HalfPrecision())


KIND = LearningRateTooHighInHalfPrecision()
