"""Soft labels count as positive in their step and are stored as 0."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_SOFT = 0.7


def _show(rows: Rows, cause: bool) -> Shown:
    loss = library().SmoothAPLoss(1, len(rows))
    targets = rows.targets * (_SOFT if cause else 1.0)
    _, _, valid = loss(rows.scores[:, None], targets, None, True)
    stored, live = int((loss._queue._q_targets == 1).sum()), len(rows.positives)  # noqa: SLF001
    return Shown(
        f"none of the {live} positives of the step is a positive in the queue",
        f"{stored} of {live}, with labels of {_SOFT if cause else 1:g}; ranked in its step: {bool(valid[0])}",
        bool(valid[0]) and stored == 0,
    )


SYMPTOM = Symptom(
    covers=("B13",),
    claim=(
        "imbalanced-losses takes a soft label above 0 for a positive in its step and stores it as the"
        " integer 0, so the same row is a negative from then on."
    ),
    show=_show,
    rows=made(500),
    takes_scores=True,
    reference=True,
)
