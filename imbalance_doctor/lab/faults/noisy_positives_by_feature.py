"""Negatives of one region labelled as positives."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.worlds import World


class NoisyPositivesByFeature(Kind):
    """An annotator took one kind of negatives for positives. The model learns that region too."""

    what = "Mislabelled positives that lie together in feature space, up to twice the true ones"
    causes = ("noisy-positives",)
    of = "plain"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.4, 2.0))

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        flat = split.x.reshape(len(split.x), -1)
        negatives = np.flatnonzero(split.y == 0)
        wanted = min(int(setup.severity * (split.y == 1).sum()), len(negatives) // 4)
        place = flat[negatives] @ draw.normal(size=flat.shape[1])
        return _parts.flipped(split, negatives[np.argsort(-place)[:wanted]])


KIND = NoisyPositivesByFeature()
