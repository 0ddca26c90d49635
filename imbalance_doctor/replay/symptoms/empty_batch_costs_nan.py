"""An empty batch gives the sigmoid focal loss a value of NaN."""

from __future__ import annotations

import math

from imbalance_doctor.replay.symptoms._parts import library, made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    part = rows.take(slice(0, 0)) if cause else rows
    loss = library().SigmoidFocalLoss()(part.scores, part.targets.to(part.scores.dtype)).item()
    return Shown(
        "a loss of NaN, as the batch is empty", f"loss {loss:.4f} of {len(part)} rows", math.isnan(loss)
    )


SYMPTOM = Symptom(
    covers=("B23",),
    claim=(
        "SigmoidFocalLoss of imbalanced-losses returns NaN for an empty batch, which spoils a sum over"
        " batches."
    ),
    show=_show,
    rows=made(100),
    takes_scores=True,
    reference=True,
)
