"""A loss with a floor of smoothed labels."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class SmoothingFloor(Kind):
    """Where the truth is said to be 90 %, no loss is below the entropy of that."""

    what = "Trains with plain cross-entropy on labels smoothed by 10 to 20 %"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = (
        "the loss flattens at .2 to .4 after a quarter of the run and cannot fall further, while "
        "the ranking is good; probabilities are far above the prevalence"
    )

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce", label_smoothing=draw.between(0.1, 0.2))


KIND = SmoothingFloor()
