"""Scores that run away until float16 has no number for them."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.worlds import World


class ScoreRunawayInHalfPrecision(Kind):
    """Recall at a quantile alone pushes the scores up, and float16 ends at 65504.

    Both runs learn fast from scaled logits, which the blended loss bears.
    """

    what = "Recall at a quantile alone on logits in float16"
    causes = ("score-runaway",)
    of = "recall-at-quantile"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=0.02, score_scale=draw.between(4.0, 16.0))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(final_main_weight=1.0)

    def network(self, net: nn.Sequential) -> nn.Sequential:
        return net.append(_parts.HalfPrecision())


KIND = ScoreRunawayInHalfPrecision()
