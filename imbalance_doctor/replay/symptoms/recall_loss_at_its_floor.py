"""A quantile below the prevalence keeps the recall loss at 1 - q / p even for perfect scores."""

from __future__ import annotations

import math

from imbalance_doctor.errors import InputError
from imbalance_doctor.losses import RecallAtQuantileLoss
from imbalance_doctor.replay.symptoms._parts import made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_NARROW, _WIDE = 0.25, 2.0
_NEAR, _LOW = 0.05, 0.5


def _show(rows: Rows, cause: bool) -> Shown:
    prevalence = len(rows.positives) / len(rows)
    if prevalence >= 1 / _WIDE:
        raise InputError(f"expected a prevalence below {1 / _WIDE:g}, but got {prevalence:.3g}")
    share = _NARROW if cause else _WIDE
    quantile = share * prevalence
    # Positives moved above all negatives: as good as scores can be.
    width = rows.scores.max() - rows.scores.min() + 1
    best = Rows(rows.scores + width * rows.targets, rows.targets)
    loss, _ = slope(RecallAtQuantileLoss(1, quantile, 0, 1e-6 * width.item()), best)
    floor = max(0.0, 1 - math.ceil(quantile * (len(rows) - 1)) / len(rows.positives))
    return Shown(
        f"perfect scores cost about 1 - q / p = {max(0, 1 - share):.2f}, more than {_LOW}",
        f"loss {loss:.3f} with q = {quantile:.3g} at a prevalence of {prevalence:.3g}",
        loss > _LOW and abs(loss - floor) < _NEAR,
    )


SYMPTOM = Symptom(
    covers=("DX-5", "RQ-5", "RQ-2"),
    claim=(
        "With a quantile below the prevalence the threshold lies among the positives, and"
        " Recall-at-Quantile stalls at 1 - q / p however good the scores are."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
