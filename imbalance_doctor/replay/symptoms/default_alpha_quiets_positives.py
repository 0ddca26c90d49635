"""The default alpha of 0.25 gives the rare class a third of the weight of the common one."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import SigmoidFocalLoss
from imbalance_doctor.replay.symptoms._parts import made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_LESS = 0.5


def _share(rows: Rows, alpha: float) -> float:
    x = torch.zeros(len(rows), requires_grad=True)
    SigmoidFocalLoss(alpha=alpha)(x, rows.targets).backward()
    assert x.grad is not None  # noqa: S101  every row has one
    return (x.grad[rows.targets == 1].abs().sum() / x.grad.abs().sum()).item()


def _show(rows: Rows, cause: bool) -> Shown:
    alpha = SigmoidFocalLoss().alpha if cause else -1.0
    found, off = _share(rows, alpha), _share(rows, -1.0)
    return Shown(
        f"less than {_LESS:.0%} of the share of the gradient that positives have without alpha",
        f"{found:.2%} of the gradient on positives at alpha {alpha:g}, {off:.2%} without, at logits of 0",
        found < _LESS * off,
    )


SYMPTOM = Symptom(
    covers=("B26", "G-4", "G-7"),
    claim=(
        "The usual alpha of 0.25 weighs a positive a third of a negative, which suits detectors with very"
        " many easy negatives and quiets a rare class elsewhere."
    ),
    show=_show,
    rows=made(prevalence=0.01),
    takes_scores=True,
)
