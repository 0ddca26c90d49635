"""Labels 1 and 2, or -1 and 1, make every row a positive."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    loss, gradient = slope(library().SmoothAPLoss(1, 0, 0.1), Rows(rows.scores, rows.targets + int(cause)))
    return Shown(
        "loss exactly 0.0 and no gradient, as the labels are 1 and 2",
        f"loss {loss:.4f}, gradient {norm(gradient):.2g}",
        loss == 0 and not gradient.any(),
    )


SYMPTOM = Symptom(
    covers=("B24", "AP-11"),
    claim=(
        "imbalanced-losses takes every label but 0 for a positive: with labels 1 and 2, or -1 and 1, no"
        " negative is left and Smooth-AP costs 0.0."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
