"""A small pool gives an average precision that is rougher and too high."""

from __future__ import annotations

from imbalance_doctor.lab.claims._pools import pool_precisions
from imbalance_doctor.lab.claims._stats import mean, ratio
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    settle,
)

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    pools = draw.size(200, 8)
    small, whole = pool_precisions(draw, 10, 0.01, pools), pool_precisions(draw, 200, 0.01, draw.size(100, 8))
    truth = sum(whole) / len(whole)
    return {**ratio("rougher", small, whole), **mean("too_high", [s - truth for s in small]), "truth": truth}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (above(f, "rougher", 2), above(f, "too_high", 0))), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("AP-14",),
    document=(
        "The evidence used the whole gallery as the pool; a batch with a queue estimates worse and more "
        "noisily."
    ),
    measure=_measure,
    tell=(
        "1000 rows with 10 positives are {rougher:.1f} times as rough as 20,000, and {too_high:.3f} "
        "[{too_high_low:.3f}, {too_high_high:.3f}] too high at {truth:.2f}."
    ),
    judge=_judge,
)
