"""Losses with a quantile end with an error in half precision."""

from __future__ import annotations

import torch

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    rows = Rows(rows.scores.to(torch.float16 if cause else torch.float32), rows.targets)
    told = []
    for loss in (
        library().RecallAtQuantileLoss(1, 0.1, queue_size=0),
        library().PAUCAtBudgetLoss(1, queue_size=0),
    ):
        try:
            slope(loss, rows)
        except RuntimeError as error:
            told.append(str(error).splitlines()[0])
    return Shown(
        "a RuntimeError from both losses, as the logits are half precision",
        "; ".join(dict.fromkeys(told)) or f"none, with {rows.scores.dtype}",
        len(told) == 2,  # noqa: PLR2004  both
    )


SYMPTOM = Symptom(
    covers=("B17",),
    claim=(
        "RecallAtQuantileLoss and PAUCAtBudgetLoss of imbalanced-losses end with an error on"
        " half-precision logits, for which torch has no quantile: call .float() on them."
    ),
    show=_show,
    rows=made(500),
    takes_scores=True,
    reference=True,
)
