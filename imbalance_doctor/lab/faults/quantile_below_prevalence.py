"""A review share far below the share of positives."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class QuantileBelowPrevalence(Kind):
    """Most positives can never be above the threshold: the loss has a floor and pulls at few."""

    what = "Recall at a quantile of 2 to 30 percent of the prevalence"
    causes = ("quantile-below-prevalence",)
    of = "recall-at-quantile"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(times_prevalence=draw.between(0.02, 0.3))


KIND = QuantileBelowPrevalence()
