"""A pool without positives costs exactly 0.0 and says nothing."""

from __future__ import annotations

import warnings

from imbalance_doctor.replay.symptoms._parts import library, made, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    part = rows.take(rows.targets == 0) if cause else rows
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loss, gradient = slope(library().SmoothAPLoss(1, 0, 0.1), part)
    return Shown(
        "loss exactly 0.0 without a warning, as the pool holds no positive",
        f"loss {loss:.4f}, gradient {norm(gradient):.2g}, {len(said)} warnings",
        loss == 0 and not said,
    )


SYMPTOM = Symptom(
    covers=("B15", "AP-11"),
    claim=(
        "A pool without positives costs exactly 0.0 in imbalanced-losses, as a perfect one does, and"
        " nothing is said."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
