"""Nothing holds the scores under a loss whose threshold is a constant."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import bank, paired
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    OPEN,
    SHARPENED,
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
    worlds = bank(draw)
    return {
        **mean("recall", paired(worlds, "recall", "bce", lambda o, _: o.negatives)),
        **mean("partial", paired(worlds, "trapezoid", "bce", lambda o, _: o.negatives)),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (SHARPENED, (above(f, "recall", 3), above(f, "partial", 3))),
        (CONFIRMED, (below(f, "recall", 3),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("RQ-6",),
    document="The threshold is detached: no signal lowers it, even when it is badly placed.",
    measure=_measure,
    tell=(
        "All scores run away: the mean logit of negatives ends {recall:+.0f} above that of cross-entropy "
        "under Recall-at-Quantile, {partial:+.0f} [{partial_low:+.0f}, {partial_high:+.0f}] under the "
        "trapezoid partial AUC."
    ),
    judge=_judge,
)
