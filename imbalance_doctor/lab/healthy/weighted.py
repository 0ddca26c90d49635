"""Binary cross-entropy, the positives weighted by the imbalance."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class Weighted(Kind):
    """Weighted binary cross-entropy, or cross-entropy with balanced class weights."""

    what = "Trains with cross-entropy weighted by the imbalance ratio"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="weighted-bce", pos_weight=None)


KIND = Weighted()
