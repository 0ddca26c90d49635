"""Recall at a quantile without a loss that holds the negatives."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class ScoreRunawayRecall(Kind):
    """Its gradient reaches positives alone and pushes all scores up. Both runs learn fast."""

    what = "Recall at a quantile alone, not blended with binary cross-entropy"
    causes = ("score-runaway",)
    of = "recall-at-quantile"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(0.003, 0.01))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(final_main_weight=1.0)


KIND = ScoreRunawayRecall()
