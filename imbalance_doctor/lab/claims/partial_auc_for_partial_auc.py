"""The trapezoid form of the partial AUC alone loses on its own metric."""

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
    return mean("gain", paired(bank(draw), "trapezoid", "bce", lambda o, _: o.partial_auc(0.05)))


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("C19", "PA-1", "SL-6"),
    document="pAUC-at-Budget is right where the metric is the partial AUC of a band.",
    measure=_measure,
    tell=(
        "Alone its default form gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] partial AUC over "
        "plain cross-entropy."
    ),
    judge=_judge,
)
