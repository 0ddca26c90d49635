"""Logits multiplied before a loss whose temperature is for plain logits."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class DeadPositivesScaledLogits(Kind):
    """Scores spread over thousands of temperatures. Almost no pair of them has a gradient."""

    what = "Smooth-AP on logits times 300 to 30000"
    causes = ("dead-positives", "temperature-below-resolution")
    of = "smooth-ap-constant"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(score_scale=draw.between(300.0, 30000.0))


KIND = DeadPositivesScaledLogits()
