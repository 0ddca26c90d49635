"""The trapezoid of the partial AUC without a loss that holds the negatives."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class ScoreRunawayTrapezoid(Kind):
    """Its gradient reaches positives alone and pushes all scores up."""

    what = "The trapezoid surrogate alone"
    causes = ("score-runaway",)
    of = "pauc-at-budget"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(surrogate="trapezoid")


KIND = ScoreRunawayTrapezoid()
