"""Smooth-AP after a warm-up, with a falling temperature."""

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class SmoothAP(Kind):
    """Smooth-AP after a warm-up."""

    what = "Trains with Smooth-AP after a warm-up"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="smooth-ap",
            warmup=draw.between(0.15, 0.4),
            temp_start=draw.between(0.3, 1.0),
            temp_end=draw.between(0.03, 0.1),
        )


KIND = SmoothAP()
