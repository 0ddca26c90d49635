"""A cap on the pool of Smooth-AP."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class CapOfSmoothAP(Kind):
    """The quota keeps positives and drops negatives, so the precision that the loss sees is too good.

    It mostly still ranks well.
    """

    what = "Smooth-AP with a pool capped at 24 to 96 rows"
    causes = ("cap-changes-objective",)
    of = "smooth-ap-constant"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(max_pool_size=draw.whole(24, 96))


KIND = CapOfSmoothAP()
