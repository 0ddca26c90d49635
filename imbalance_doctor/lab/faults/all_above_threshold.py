"""A review share many times the prevalence, on data that are easy."""

from __future__ import annotations

from dataclasses import replace

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class AllAboveThreshold(Kind):
    """All positives are above the threshold already.

    The objective is met and the rest of the loss decides, so little is lost.
    """

    what = "Recall at a quantile of 10 to 30 prevalences on data that are easy to tell apart"
    causes = ("all-above-threshold",)
    of = "recall-at-quantile"

    def world(self, world: World, draw: Draw) -> World:
        moved = world.features.copy()
        moved[world.labels == 1] += 0.5 * world.features.std(0)
        return replace(world, features=moved)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(quantile=min(0.6, draw.between(10.0, 30.0) * world.prevalence))


KIND = AllAboveThreshold()
