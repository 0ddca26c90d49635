"""With 10 positives one pool is a rough reading of average precision."""

from __future__ import annotations

from imbalance_doctor.lab.claims._pools import pool_precisions
from imbalance_doctor.lab.claims._stats import spread
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


def _measure(draw: Draw) -> Figures:
    found: dict[str, float] = {}
    for name, positives, prevalence in (("ten", 10, 0.05), ("twenty", 20, 0.05), ("rare", 10, 0.01)):
        values = pool_precisions(draw, positives, prevalence, draw.size(250, 8))
        found.update(spread(name, values, sum(values) / len(values)))
    return found


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "ten", 0.2),)), (CONTRADICTED, (below(f, "ten", 0.2),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("AP-3",),
    document="With 10 positives in the pool the estimate is usable but of high variance.",
    measure=_measure,
    tell=(
        "It varies by {ten:.0%} [{ten_low:.0%}, {ten_high:.0%}] of itself with 10 at 5 % positives, by "
        "{twenty:.0%} with 20, and by {rare:.0%} with 10 at 1 %."
    ),
    judge=_judge,
)
