"""Smooth-AP from the first step, with one temperature."""

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class SmoothAPConstant(Kind):
    """Smooth-AP from the first step."""

    what = "Trains with Smooth-AP from the first step at a constant temperature"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        temperature = draw.between(0.08, 2.0)
        return setup.but(loss="smooth-ap", temp_start=temperature, temp_end=temperature)


KIND = SmoothAPConstant()
