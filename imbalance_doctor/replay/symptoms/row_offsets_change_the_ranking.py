"""A constant added to all logits of a row changes nothing for a softmax and much for a ranking."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import several, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_CLASSES, _OFFSET = 4, 3.0
_MOVED, _SAME = 0.1, 1e-3


def _show(rows: Rows, cause: bool) -> Shown:
    moved = rows.scores + _OFFSET * torch.randn(len(rows), 1)
    plain = [functional.cross_entropy(x, rows.targets).item() for x in (rows.scores, moved)]
    both = (rows.scores, moved) if cause else [x.log_softmax(1) for x in (rows.scores, moved)]
    ranked = [slope(SmoothAPLoss(_CLASSES, 0, 0.1), Rows(x, rows.targets))[0] for x in both]
    return Shown(
        f"Smooth-AP moves by more than {_MOVED}, cross-entropy not at all, for a constant added to each row",
        f"Smooth-AP {ranked[0]:.3f} to {ranked[1]:.3f}, cross-entropy {plain[0]:.3f} to {plain[1]:.3f}",
        abs(ranked[1] - ranked[0]) > _MOVED and abs(plain[1] - plain[0]) < _SAME,
    )


SYMPTOM = Symptom(
    covers=("B21", "AP-4"),
    claim=(
        "A softmax does not see a constant added to all logits of a row, so training leaves it free;"
        " ranking raw columns across rows does see it: take log_softmax first."
    ),
    show=_show,
    rows=partial(several, 600, _CLASSES),
)
