"""A focal alpha of 1."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class AlphaOne(Kind):
    """Negatives have no weight, so the model learns to answer yes."""

    what = "Focal loss with an alpha of 1"
    causes = ("alpha-misconfigured", "majority-collapse")
    of = "focal"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(alpha=1.0)


KIND = AlphaOne()
