"""Binary cross-entropy, or cross-entropy for classes."""

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class Plain(Kind):
    """Binary cross-entropy."""

    what = "Trains with plain (binary) cross-entropy"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce")


KIND = Plain()
