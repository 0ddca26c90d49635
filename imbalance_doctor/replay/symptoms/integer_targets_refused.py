"""Integer labels, as data sets hold them, end the sigmoid focal loss with an error."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    told = ""
    try:
        library().SigmoidFocalLoss()(
            rows.scores, rows.targets if cause else rows.targets.to(rows.scores.dtype)
        )
    except RuntimeError as error:
        told = str(error).splitlines()[0]
    return Shown(
        "a RuntimeError about types, as the labels are integers",
        told or "none, with float labels",
        bool(told),
    )


SYMPTOM = Symptom(
    covers=("B23",),
    claim=("SigmoidFocalLoss of imbalanced-losses ends with an error about types on integer labels."),
    show=_show,
    rows=made(100),
    takes_scores=True,
    reference=True,
)
