"""With one live positive the value of the partial AUC is that of the whole pool."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    Claim,
    Draw,
    Figures,
    Verdict,
    below,
    settle,
)
from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    apart = []
    for i in range(draw.size(20, 2)):
        pool = binary(3000, 0.05, seed=1000 * draw.seed + i).first(40, 1000)
        live = torch.arange(len(pool)) >= 39  # noqa: PLR2004  the last positive, and all negatives
        loss = PAUCAtBudgetLoss(1, beta=0.1, queue_size=39)
        slope(loss, pool.take(~live))
        apart.append(
            abs(slope(loss, pool.take(live))[0] - slope(PAUCAtBudgetLoss(1, beta=0.1, queue_size=0), pool)[0])
        )
    return {"apart": max(apart)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (below(f, "apart", 1e-4),)), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("PA-8",),
    document="With grad_pos_count near 1 the value of the loss is right.",
    measure=_measure,
    tell="With 1 of 40 pooled positives live it is within {apart:.0e} of the value with all of them live.",
    judge=_judge,
)
