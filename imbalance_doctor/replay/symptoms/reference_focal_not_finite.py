"""The reference library's focal losses have a gradient of NaN for gamma below 1 at certain rows."""

from __future__ import annotations

import math

import torch

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_UNSTABLE, _STABLE = 0.5, 2.0


def _show(rows: Rows, cause: bool) -> Shown:
    gamma = _UNSTABLE if cause else _STABLE
    x = rows.scores.clone().requires_grad_()
    value = library().SigmoidFocalLoss(alpha=-1, gamma=gamma)(x, rows.targets.to(x.dtype))
    (sigmoid,) = torch.autograd.grad(value, x)
    two = torch.stack([torch.zeros_like(rows.scores), rows.scores], 1)
    value_, softmax = slope(library().SoftmaxFocalLoss(gamma=gamma), Rows(two, rows.targets))
    wrong = [int((~g.isfinite()).reshape(len(rows), -1).any(1).sum()) for g in (sigmoid, softmax)]
    return Shown(
        "rows with a gradient of NaN in both focal losses, at losses that are finite",
        f"{wrong[0]} rows by sigmoid, {wrong[1]} by softmax, at gamma {gamma:g}; losses {value:.4f}, "
        f"{value_:.4f}",
        min(wrong) > 0 and math.isfinite(value_) and math.isfinite(value),
    )


SYMPTOM = Symptom(
    covers=("B4", "ST-1"),
    claim=(
        "SigmoidFocalLoss and SoftmaxFocalLoss of imbalanced-losses take gamma below 1 without a word,"
        " and their gradient is NaN at the first row that is certain."
    ),
    show=_show,
    rows=made(spread=5.0, gap=3.0),
    takes_scores=True,
    reference=True,
)
