"""The weight of the positives inverted."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class PosWeightInverted(Kind):
    """Negatives over positives was turned into positives over negatives, so it counts even less."""

    what = "A weight of the positives of 1 / imbalance ratio or less"
    causes = ("alpha-misconfigured", "majority-collapse")
    of = "weighted"
    tasks = ("binary", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        ratio = (1 - world.prevalence) / world.prevalence
        return setup.but(pos_weight=1 / (ratio * draw.between(1.0, 30.0)))


KIND = PosWeightInverted()
