"""One batch with a NaN keeps the loss at NaN until the queue has turned over."""

from __future__ import annotations

import math

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BATCH, _QUEUE, _BAD = 32, 256, 12
_STEPS = _BAD + 2 * _QUEUE // _BATCH


def _show(rows: Rows, cause: bool) -> Shown:
    loss = library().SmoothAPLoss(1, _QUEUE, 0.1)
    failed = []
    for step in range(_STEPS):
        part = rows.take(slice(step * _BATCH, (step + 1) * _BATCH))
        if cause and step == _BAD:
            part = Rows(part.scores * math.nan, part.targets)
        failed.append(math.isnan(slope(loss, part)[0]))
    expected = math.ceil(_QUEUE / _BATCH) + 1
    return Shown(
        f"a loss of NaN at {expected} steps in a row, Q / B + 1, after one bad batch",
        f"at {sum(failed)} of {_STEPS} steps" + (f", from step {failed.index(True)}" if any(failed) else ""),
        failed[_BAD : _BAD + expected] == [True] * expected and sum(failed) == expected,
    )


SYMPTOM = Symptom(
    covers=("B6",),
    claim=(
        "The queue of imbalanced-losses takes rows that are not finite: one bad batch costs Q / B + 1"
        " steps of NaN, which looks like divergence."
    ),
    show=_show,
    rows=made(),
    reference=True,
)
