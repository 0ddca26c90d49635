"""Average precision of pools of so many positives at a prevalence."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.claims.base import Draw

__all__ = ["pool_precisions"]

_GAP = 1.5


def pool_precisions(draw: Draw, positives: int, prevalence: float, pools: int) -> list[float]:
    """Return the average precision of each of so many pools of one binormal world."""
    g = np.random.default_rng((draw.seed, positives, round(1e6 * prevalence)))
    size = round(positives / prevalence)
    found = []
    for _ in range(pools):
        s = g.normal(size=size)
        s[:positives] += _GAP
        rank = np.empty(size)
        rank[(-s).argsort()] = np.arange(1, size + 1)
        hit = np.sort(rank[:positives])
        found.append(float(np.mean(np.arange(1, positives + 1) / hit)))
    return found
