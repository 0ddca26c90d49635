"""Smooth-AP after a warm-up, with a temperature that starts high."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class SmoothAPFromHot(Kind):
    """Smooth-AP whose temperature falls from above the spread of the scores."""

    what = "Trains with Smooth-AP after a warm-up; the temperature starts high and falls"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="smooth-ap",
            warmup=draw.between(0.05, 0.2),
            temp_start=draw.between(5.0, 60.0),
            temp_end=draw.between(0.05, 0.2),
        )


KIND = SmoothAPFromHot()
