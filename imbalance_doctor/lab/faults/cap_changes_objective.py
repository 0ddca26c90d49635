"""A cap on the pool that keeps more of the positives than of the others."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class CapChangesObjective(Kind):
    """The share of positives that the loss sees is several times the real one, and above the review share."""

    what = "Recall at a quantile with a pool capped at 96 to 256 rows"
    causes = ("cap-changes-objective", "quantile-below-prevalence")
    of = "recall-at-quantile"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(max_pool_size=draw.whole(96, 256))


KIND = CapChangesObjective()
