"""A temperature far above the spread of the scores."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class TemperatureAboveSpread(Kind):
    """Every soft comparison of two scores is near one half, so the gradient carries no order and is tiny."""

    what = "Smooth-AP at a temperature of 100 to 3000"
    causes = ("temperature-above-spread",)
    of = "smooth-ap-constant"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        temperature = draw.between(100.0, 3000.0)
        return setup.but(temp_start=temperature, temp_end=temperature)


KIND = TemperatureAboveSpread()
