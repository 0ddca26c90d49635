"""A sampler that enriches positives, of which the quantile knows nothing."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class SamplerEnriched(Kind):
    """A sampler enriches batches while the review share is that of the deployment.

    It is then far below the prevalence of the pool; the blended binary cross-entropy makes up for most
    of it.
    """

    what = "Batches with 20 to 50 percent of positives, the quantile for the natural share"
    causes = ("quantile-below-prevalence",)
    of = "recall-at-quantile"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        quantile = min(0.5, setup.times_prevalence * world.prevalence)
        return setup.but(quantile=quantile, severity=draw.between(0.2, 0.5))

    def chosen(self, rows: np.ndarray, step: int, training: Training) -> np.ndarray:
        return _parts.enriched(rows, training.setup.severity, training)


KIND = SamplerEnriched()
