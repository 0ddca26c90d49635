"""A warm-up that takes almost the whole run."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class WarmupTooLong(Kind):
    """The ranking loss gets a few steps at the end.

    Binary cross-entropy ranks well itself, so little is lost.
    """

    what = "A warm-up of 90 to 99 percent of the steps"
    causes = ("warmup-too-long",)
    of = "smooth-ap"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(warmup=draw.between(0.9, 0.99))


KIND = WarmupTooLong()
