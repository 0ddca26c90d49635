"""No warm-up before recall at a quantile."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class WarmupLeftOutOfRecall(Kind):
    """The threshold lies among scores without order. The blended loss soon orders them: little is lost."""

    what = "Recall at a quantile from the first step, at its last temperature"
    causes = ("warmup-too-short",)
    of = "recall-at-quantile"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(warmup=0.0, temp_start=setup.temp_end)


KIND = WarmupLeftOutOfRecall()
