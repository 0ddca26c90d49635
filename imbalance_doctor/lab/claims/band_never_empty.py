"""The count of negatives in the band is never 0 with default options."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import proportion
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
from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import binary

__all__ = ["CLAIM"]

_SIZES = (20, 50, 100, 190, 400)


def _measure(draw: Draw) -> Figures:
    counts = []
    for size in _SIZES:
        for alpha in (0.0, 0.001):
            for i in range(draw.size(20, 2)):
                rows = binary(size, 0.1, seed=1000 * draw.seed + i)
                loss = PAUCAtBudgetLoss(1, alpha=alpha, queue_size=0)
                _, told = loss(rows.scores[:, None], rows.targets, None, False, True)
                counts.append(int(told["band_neg_count"]))
    return {
        **proportion("zero", counts.count(0), len(counts)),
        "least": min(counts),
        **proportion("one", counts.count(1), len(counts)),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONTRADICTED, (below(f, "zero", 0.05), above(f, "least", 0))),
        (CONFIRMED, (above(f, "zero", 0.05),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C9", "PA-6", "DX-7"),
    document="An empty band shows as a band_neg_count near 0.",
    measure=_measure,
    tell=(
        "Over pools of 20 to 400 rows for a band of 0.005 the count was never below {least:.0f}, and 1 in "
        "{one:.0%}: a starved band shows as 1."
    ),
    judge=_judge,
)
