"""A cap below the number of classes leaves classes out of the pool."""

from __future__ import annotations

from functools import partial

from imbalance_doctor.replay.symptoms._parts import library, several
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_CLASSES, _SIZE = 50, 40


def _show(rows: Rows, cause: bool) -> Shown:
    loss = library().SmoothAPLoss(_CLASSES, 0, 0.1, max_pool_size=_SIZE if cause else None)
    _, _, valid = loss(rows.scores, rows.targets, None, True)
    kept = int(valid.sum())
    return Shown(
        f"at most {_SIZE} of {_CLASSES} classes ranked, as max_pool_size is {_SIZE}",
        f"{kept} classes ranked",
        kept <= _SIZE,
    )


SYMPTOM = Symptom(
    covers=("B9", "AP-8"),
    claim=(
        "A max_pool_size below the number of classes leaves some classes without a row, so they are not"
        " trained."
    ),
    show=_show,
    rows=partial(several, 1000, _CLASSES),
    reference=True,
)
