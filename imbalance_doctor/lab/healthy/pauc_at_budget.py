"""Partial AUC of pairs within a budget of false positives, after a warm-up."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class PAUCAtBudget(Kind):
    """Partial AUC by pairs, which needs no blending."""

    what = "Trains with the pairwise partial AUC after a warm-up"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="pauc-at-budget",
            surrogate="pairwise",
            warmup=draw.between(0.15, 0.4),
            temp_start=draw.between(0.4, 1.0),
            temp_end=draw.between(0.1, 0.2),
            beta=draw.between(0.02, 0.1),
        )


KIND = PAUCAtBudget()
