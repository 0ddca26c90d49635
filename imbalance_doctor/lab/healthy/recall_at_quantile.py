"""Recall at a quantile, blended with binary cross-entropy after a warm-up."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class RecallAtQuantile(Kind):
    """Recall at a quantile above the prevalence, blended with binary cross-entropy."""

    what = "Trains with recall at a quantile above the prevalence, blended with binary cross-entropy"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="recall-at-quantile",
            warmup=draw.between(0.15, 0.4),
            temp_start=draw.between(0.3, 1.0),
            temp_end=draw.between(0.05, 0.1),
            times_prevalence=draw.between(1.2, 2.5),
            final_main_weight=draw.between(0.65, 0.75),
        )


KIND = RecallAtQuantile()
