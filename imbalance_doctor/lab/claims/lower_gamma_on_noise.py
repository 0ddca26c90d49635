"""Lowering gamma does not repair wrong labels."""

from __future__ import annotations

from imbalance_doctor.lab.claims._noisy import noisy
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

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    clean = [of["focal", 0.0].outcome.precision - of["focal", 0.2].outcome.precision for of in noisy(draw)]
    won = [of["bce", 0.2].outcome.precision - of["focal", 0.2].outcome.precision for of in noisy(draw)]
    return {**mean("lost", clean), **mean("won", won)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "won", 0.02),)), (CONTRADICTED, (below(f, "won", 0.02),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("DX-10",),
    document="Focal training that stays noisy has wrong positives: lower gamma.",
    measure=_measure,
    tell=(
        "20 % false positives cost {lost:.3f} AP at gamma 2; gamma 0 wins back {won:+.3f} "
        "[{won_low:+.3f}, {won_high:+.3f}]."
    ),
    judge=_judge,
)
