"""With fewer than 1 / q rows the quantile is the highest of them."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
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
from imbalance_doctor.lab.claims.quantile_floor import swing

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    return {**mean("half", swing(draw, 0.5)), **mean("ten", swing(draw, 10))}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "half", 1.5), above(f, "ten", 0.85), below(f, "ten", 1.15))),
        (CONTRADICTED, (below(f, "half", 1.5),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("RQ-3",),
    document="Fewer than 1 / q pooled samples do not hold the quantile.",
    measure=_measure,
    tell=(
        "The share really taken is {half:.1f} [{half_low:.1f}, {half_high:.1f}] times q with half of 1 / "
        "q rows, and {ten:.2f} times with ten times 1 / q."
    ),
    judge=_judge,
)
