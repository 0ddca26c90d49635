"""Smooth-AP and binary cross-entropy in one loss."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class Blended(Kind):
    """Neither has to reach what it reaches alone."""

    what = "Trains with Smooth-AP blended with binary cross-entropy from the first step"
    ugly = "the loss ends between those of its parts, well above 0, and moves little after the first rows"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        temperature = draw.between(0.2, 0.8)
        return setup.but(
            loss="smooth-ap",
            temp_start=temperature,
            temp_end=temperature,
            final_main_weight=draw.between(0.3, 0.6),
        )


KIND = Blended()
