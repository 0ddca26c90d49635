"""Recall-at-Quantile alone loses on its own metric."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import bank, paired
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
    return mean(
        "gain", paired(bank(draw), "recall", "bce", lambda o, p: o.recall_in_the_top(min(1.5 * p, 0.5)))
    )


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("C19", "RQ-1", "SL-7"),
    document="Recall-at-Quantile is right for a fixed review capacity.",
    measure=_measure,
    tell=(
        "Alone it gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] recall in the top over plain "
        "cross-entropy."
    ),
    judge=_judge,
)
