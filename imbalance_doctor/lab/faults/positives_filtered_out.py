"""A filter that takes the positives out of the training rows."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class PositivesFilteredOut(Kind):
    """Rows with a missing value were dropped, nearly all positives. The model learns to answer no."""

    what = "At most two positives are left to train on"
    causes = ("majority-collapse",)
    of = "plain"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(train_positives=draw.choice([0, 1, 2]))


KIND = PositivesFilteredOut()
