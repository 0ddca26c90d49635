"""A long run that is logged eight times."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class SeldomLogged(Kind):
    """There is little to judge by, and nothing wrong."""

    what = "Trains with plain cross-entropy and logs eight rows"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "eight rows: one odd value is an eighth of the log, and trends rest on next to nothing"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        steps = setup.steps // 8 * 8
        return setup.but(loss="bce", steps=steps, every=steps // 8)


KIND = SeldomLogged()
