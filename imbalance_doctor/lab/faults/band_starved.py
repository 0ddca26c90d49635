"""A budget of false positives of which the batch holds less than one."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class BandStarved(Kind):
    """Without a queue the band holds one negative, the hardest of the batch.

    That one still teaches, so little is lost.
    """

    what = "A budget of 0.1 to 0.5 percent of false positives in batches of 32 to 96 rows without a queue"
    causes = ("band-starved",)
    of = "pauc-at-budget"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(batch_size=draw.whole(32, 96))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(queue_size=0, beta=draw.between(0.001, 0.005))


KIND = BandStarved()
