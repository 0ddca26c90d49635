"""Near-constant negatives leave the partial AUC without a scale, and the class is skipped."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import made, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    if cause:
        level = rows.negatives.mean()
        rows = Rows(torch.where(rows.targets == 1, rows.scores, level), rows.targets)
    loss, gradient = slope(PAUCAtBudgetLoss(1, beta=0.1, queue_size=0), rows)
    return Shown(
        "loss exactly 0.0 and no gradient, as all negatives score alike",
        f"loss {loss:.4f}, gradient {norm(gradient):.2g}; spread of the negatives {rows.negatives.std():.3g}",
        loss == 0 and not gradient.any(),
    )


SYMPTOM = Symptom(
    covers=("DX-8", "PA-4"),
    claim=(
        "Where the scores of the negatives are all alike, the partial AUC has no scale for its"
        " temperature: the class is skipped, at a loss of 0.0 that looks perfect."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
