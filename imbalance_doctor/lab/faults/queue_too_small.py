"""A queue so small that the pool holds a positive or two."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class QueueTooSmall(Kind):
    """The ranking of one or two positives is rough and often missing."""

    what = "Smooth-AP with a batch of 3 to 8 rows and a queue of 8 to 32 at under one percent of positives"
    causes = ("pool-without-positives", "few-live-positives")
    of = "smooth-ap-constant"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        few = max(6, round(draw.between(0.005, 0.01) * 0.6 * len(world)))
        return setup.but(train_positives=few)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(queue_size=draw.whole(8, 32), batch_size=draw.whole(3, 8))


KIND = QueueTooSmall()
