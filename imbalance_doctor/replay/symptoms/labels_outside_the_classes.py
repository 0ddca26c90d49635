"""A label that is no class is a silent negative for Smooth-AP and an error for Recall-at-Quantile."""

from __future__ import annotations

import warnings
from functools import partial

from imbalance_doctor.replay.symptoms._parts import library, several
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_CLASSES, _STRAY = 4, 7


def _show(rows: Rows, cause: bool) -> Shown:
    targets = rows.targets.clone()
    if cause:
        targets[0] = _STRAY
    refused = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name in ("SmoothAPLoss", "PAUCAtBudgetLoss", "RecallAtQuantileLoss"):
            try:
                getattr(library(), name)(_CLASSES, queue_size=0)(rows.scores, targets)
            except ValueError:
                refused.append(name)
    return Shown(
        f"label {_STRAY} of {_CLASSES} classes refused by RecallAtQuantileLoss only, and taken by the others",
        f"refused by {', '.join(refused) or 'none'}; {len(said)} warnings",
        refused == ["RecallAtQuantileLoss"] and not said,
    )


SYMPTOM = Symptom(
    covers=("B24",),
    claim=(
        "A label outside the classes is refused by one loss of imbalanced-losses and a silent negative of"
        " every class in two others."
    ),
    show=_show,
    rows=partial(several, 400, _CLASSES),
    reference=True,
)
