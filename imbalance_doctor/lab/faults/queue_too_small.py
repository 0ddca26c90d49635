"""A queue so small that the pool holds a positive or two."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class QueueTooSmall(Kind):
    """The ranking of one or two positives is rough and often missing. The twin is the same with its queue."""

    what = "Smooth-AP with a queue of 16 to 64 rows at about one percent of positives"
    causes = ("pool-without-positives", "few-live-positives")
    of = "smooth-ap-constant"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        few = max(6, round(draw.between(0.005, 0.012) * 0.6 * len(world)))
        return setup.but(train_positives=few, batch_size=draw.whole(12, 32))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(queue_size=draw.whole(16, 64))


KIND = QueueTooSmall()
