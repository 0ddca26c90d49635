"""A positive with an infinite score gives a finite Smooth-AP loss and a gradient of NaN."""

from __future__ import annotations

import math

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    scores = rows.scores.clone()
    lone = (rows.targets == 1).nonzero()[0, 0]
    scores[lone] = math.inf if cause else scores.max()
    loss, gradient = slope(library().SmoothAPLoss(1, 0, 0.1), Rows(scores, rows.targets))
    wrong = int(gradient.isnan().sum())
    return Shown(
        "a finite loss and a gradient of NaN, as one positive scores infinity",
        f"loss {loss:.4f}, {wrong} rows with a gradient of NaN",
        math.isfinite(loss) and wrong > 0,
    )


SYMPTOM = Symptom(
    covers=("B16",),
    claim=(
        "One positive with an infinite score leaves the Smooth-AP loss of imbalanced-losses finite and"
        " its gradient NaN."
    ),
    show=_show,
    rows=made(500),
    takes_scores=True,
    reference=True,
)
