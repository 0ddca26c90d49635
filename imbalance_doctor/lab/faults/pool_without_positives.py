"""A small batch without a queue, so that most pools hold no positive."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class PoolWithoutPositives(Kind):
    """A step without a positive to rank has no gradient.

    So few steps also overfit little: with so few positives the twin is often no better.
    """

    what = "Smooth-AP with a batch of 3 to 6 rows, half a percent of positives and no queue"
    causes = ("pool-without-positives", "no-valid-class", "few-live-positives")
    of = "smooth-ap-constant"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        few = max(6, round(draw.between(0.004, 0.008) * 0.6 * len(world)))
        return setup.but(train_positives=few)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(queue_size=0, batch_size=draw.whole(3, 6))


KIND = PoolWithoutPositives()
