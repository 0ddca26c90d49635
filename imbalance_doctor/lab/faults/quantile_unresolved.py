"""A quantile that falls on the first row of the pool."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class QuantileUnresolved(Kind):
    """Without a queue the small batch is the pool, and its threshold jumps from row to row.

    The blended loss makes up for most of it.
    """

    what = "Recall at a quantile of a few percent, of a batch of 8 to 24 rows without a queue"
    causes = ("quantile-unresolved", "few-live-positives")
    of = "recall-at-quantile"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        few = max(6, round(draw.between(0.01, 0.03) * 0.6 * len(world)))
        return setup.but(train_positives=few)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(queue_size=0, batch_size=draw.whole(8, 24))


KIND = QuantileUnresolved()
