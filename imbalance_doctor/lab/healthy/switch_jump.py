"""A jump of the loss where the warm-up ends."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class SwitchJump(Kind):
    """Two losses follow on each other whose values have nothing to do with each other."""

    what = "Trains with Smooth-AP after a warm-up of half the run"
    ugly = (
        "the loss jumps to several times its value in the middle of the run, and the gradient "
        "with it: another loss begins"
    )

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="smooth-ap",
            warmup=draw.between(0.4, 0.6),
            temp_start=draw.between(0.2, 0.5),
            temp_end=draw.between(0.1, 0.2),
        )


KIND = SwitchJump()
