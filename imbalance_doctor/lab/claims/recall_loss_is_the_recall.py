"""What Recall-at-Quantile computes is the recall in the top."""

from __future__ import annotations

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
from imbalance_doctor.losses import RecallAtQuantileLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]

_SHARE = 0.1


def _measure(draw: Draw) -> Figures:
    errors, values = [], []
    for i in range(draw.size(20, 2)):
        rows = binary(4000, 0.05, seed=1000 * draw.seed + i)
        top = rows.scores.topk(round(_SHARE * len(rows))).indices
        values.append(float(rows.targets[top].sum() / rows.targets.sum()))
        errors.append(abs(1 - slope(RecallAtQuantileLoss(1, _SHARE, 0), rows)[0] - values[-1]))
    return {"error": max(errors), "recall": sum(values) / len(values)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (below(f, "error", 0.02),)), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("RQ-1", "SL-7"),
    document="Recall-at-Quantile stands for the recall among the top q of all rows.",
    measure=_measure,
    tell="1 - loss is within {error:.3f} of the recall among the top 10 % ({recall:.2f}).",
    judge=_judge,
)
