"""A weight of the positives far above the imbalance ratio."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class PosWeightFarTooLarge(Kind):
    """Squared or applied twice, the ratio lets positives alone decide; every row is called positive."""

    what = "A weight of the positives of 30 to 3000 imbalance ratios"
    causes = ("alpha-misconfigured", "calibration-lost")
    of = "weighted"
    tasks = ("binary", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        ratio = (1 - world.prevalence) / world.prevalence
        return setup.but(pos_weight=ratio * draw.between(30.0, 3000.0))


KIND = PosWeightFarTooLarge()
