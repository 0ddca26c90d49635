"""A handful of rows to learn from, and a network that learns them by heart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.worlds import World


class MinorityOverfit(Kind):
    """A sample of the training data was left in the script.

    Training is perfect and validation falls behind.
    """

    what = "A sample of 6 to 20 positives and 20 to 40 times as many negatives to train on"
    causes = ("minority-overfit",)
    of = "plain"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(0.002, 0.006))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(train_positives=draw.whole(6, 20), severity=draw.between(15.0, 40.0))

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        positives, negatives = np.flatnonzero(split.y == 1), np.flatnonzero(split.y == 0)
        kept = np.concatenate([positives, negatives[: round(setup.severity * len(positives))]])
        return replace(split, x=split.x[kept], y=split.y[kept])


KIND = MinorityOverfit()
