"""A temperature of recall at a quantile far below the spread of the scores."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class DeadPositivesRecall(Kind):
    """A positive has a gradient only within a few temperatures of the threshold, where almost none is."""

    what = "Recall at a quantile at a temperature of 1e-6 to 1e-3"
    causes = ("dead-positives", "temperature-below-resolution")
    of = "recall-at-quantile"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        temperature = draw.between(1e-6, 1e-3)
        return setup.but(temp_start=temperature, temp_end=temperature)


KIND = DeadPositivesRecall()
