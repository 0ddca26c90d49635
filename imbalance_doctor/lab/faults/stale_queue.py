"""A queue that takes hundreds of steps to turn over while the scores drift."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class StaleQueue(Kind):
    """Live rows are ranked against scores of a model of long ago.

    Both runs learn fast, in small batches; mostly little is lost.
    """

    what = "A queue of 8192 to 32768 rows for batches of 16 to 32"
    causes = ("stale-queue",)
    of = "smooth-ap-constant"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        rate = draw.between(0.005, 0.03) * (3 if setup.model == "linear" else 1)
        return setup.but(batch_size=draw.whole(16, 32), learning_rate=rate)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(queue_size=draw.whole(8192, 32768))


KIND = StaleQueue()
