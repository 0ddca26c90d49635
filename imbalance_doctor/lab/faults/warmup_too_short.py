"""No warm-up before a ranking loss that starts cold."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class WarmupTooShort(Kind):
    """The ranking phase starts from scores without order, at the temperature of its end."""

    what = "Smooth-AP without a warm-up, at a low temperature from the first step"
    causes = ("warmup-too-short", "temperature-below-resolution")
    of = "smooth-ap"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        temperature = draw.between(1e-4, 0.01)
        return setup.but(warmup=draw.between(0.0, 0.02), temp_start=temperature, temp_end=temperature)


KIND = WarmupTooShort()
