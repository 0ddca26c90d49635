"""Balanced batches whose scores are taken for probabilities."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class NegativesUndersampled(Kind):
    """Half of each batch is positive, so every probability is far too high.

    The ranking stays about as good, so average precision loses little.
    """

    what = "Batches with 30 to 50 percent of positives by a sampler, scores not corrected"
    causes = ("calibration-lost",)
    of = "plain"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.3, 0.5))

    def chosen(self, rows: np.ndarray, step: int, training: Training) -> np.ndarray:
        return _parts.enriched(rows, training.setup.severity, training)


KIND = NegativesUndersampled()
