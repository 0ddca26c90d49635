"""A gamma above 2 gains nothing."""

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
    gains = [of["focal5", 0.0].outcome.precision - of["focal", 0.0].outcome.precision for of in noisy(draw)]
    return mean("gain", gains)


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "gain", 0.01),)), (CONTRADICTED, (above(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("F-6",),
    document="gamma 2 is the usual best, a higher one brings less and less.",
    measure=_measure,
    tell="gamma 5 gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP over gamma 2 on clean labels.",
    judge=_judge,
)
