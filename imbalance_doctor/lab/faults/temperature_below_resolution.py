"""A temperature far below the spacing of the scores."""

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class TemperatureBelowResolution(Kind):
    """Almost no pair of scores lies within one temperature, so gradients are spikes or nothing."""

    what = "Smooth-AP with a temperature of a millionth to a ten-thousandth"
    causes = ("temperature-below-resolution",)
    of = "smooth-ap-constant"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        temperature = draw.between(1e-6, 1e-4)
        return setup.but(temp_start=temperature, temp_end=temperature)


KIND = TemperatureBelowResolution()
