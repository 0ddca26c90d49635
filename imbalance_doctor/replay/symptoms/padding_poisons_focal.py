"""Ignored rows are multiplied by 0 instead of left out, so a NaN in padding spoils the loss."""

from __future__ import annotations

import math
from functools import partial

from torch.nn import functional

from imbalance_doctor.replay.symptoms._parts import library, several, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_IGNORED, _PADDING = -100, 20


def _show(rows: Rows, cause: bool) -> Shown:
    scores, targets = rows.scores.clone(), rows.targets.clone()
    targets[:_PADDING] = _IGNORED
    scores[:_PADDING] = math.nan
    if not cause:
        scores, targets = scores[_PADDING:], targets[_PADDING:]
    loss, gradient = slope(library().SoftmaxFocalLoss(), Rows(scores, targets))
    plain = functional.cross_entropy(scores, targets).item()
    wrong = int((~gradient.isfinite()).any(1).sum())
    return Shown(
        "a loss of NaN where cross-entropy of the same rows is finite",
        f"loss {loss:.4f}, cross-entropy {plain:.4f}; {wrong} rows with a gradient that is not finite",
        math.isnan(loss) and math.isfinite(plain),
    )


SYMPTOM = Symptom(
    covers=("B5",),
    claim=(
        "SoftmaxFocalLoss of imbalanced-losses multiplies ignored rows by 0 instead of leaving them out:"
        " a NaN in the padding makes the loss NaN."
    ),
    show=_show,
    rows=partial(several, 200, 3),
    reference=True,
)
