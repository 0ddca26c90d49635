"""A few positives repeated until classes are balanced."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class MinorityOverfitOversampled(Kind):
    """The sampler shows the same few positives again and again, so they are learned by heart."""

    what = "5 to 12 positives, drawn as half of each batch"
    causes = ("minority-overfit",)
    of = "plain"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(0.002, 0.006))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(train_positives=draw.whole(5, 12))

    def chosen(self, rows: np.ndarray, step: int, training: Training) -> np.ndarray:
        return _parts.enriched(rows, 0.5, training)


KIND = MinorityOverfitOversampled()
