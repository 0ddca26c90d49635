"""A narrow band gives a rough estimate."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.claims._stats import ratio
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)

__all__ = ["CLAIM"]

_BANDS = (0.001, 0.01, 0.1)


def _measure(draw: Draw) -> Figures:
    g = np.random.default_rng(draw.seed)
    found: dict[float, list[float]] = {b: [] for b in _BANDS}
    for _ in range(draw.size(300, 8)):
        negatives, positives = np.sort(g.normal(size=1280))[::-1], g.normal(size=20) + 2.5
        for band in _BANDS:
            edge = negatives[: int(band * len(negatives)) + 1]
            found[band].append(float((positives[:, None] > edge).mean()))
    narrow, middle, wide = (found[b] for b in _BANDS)
    return {**ratio("narrow", narrow, wide), **ratio("middle", middle, wide)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "narrow", 1.5),)), (CONTRADICTED, (below(f, "narrow", 1.5),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("PA-2",),
    document="The band must be wide enough to hold a stable estimate.",
    measure=_measure,
    tell=(
        "With 1280 negatives the partial AUC over a band of 0.001 is {narrow:.1f} [{narrow_low:.1f}, "
        "{narrow_high:.1f}] times as rough as over 0.1, that over 0.01 {middle:.1f} times."
    ),
    judge=_judge,
)
