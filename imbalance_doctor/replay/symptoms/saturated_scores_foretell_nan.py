"""Dumped scores show which rows have a gradient that is not finite, while the loss is."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import sigmoid_focal
from imbalance_doctor.replay.symptoms._parts import made, plain_focal
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_GAMMA = 0.5


def _show(rows: Rows, cause: bool) -> Shown:
    x = rows.scores.float().clone().requires_grad_()
    if cause:
        loss = plain_focal(x, rows.targets, _GAMMA)
    else:
        loss = sigmoid_focal(x, rows.targets, alpha=-1, gamma=_GAMMA, reduction="none")
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    wrong = int((~gradient.isfinite()).sum())
    return Shown(
        f"at gamma {_GAMMA:g} in fp32 rows with a gradient that is not finite, though every loss is",
        f"{wrong} of {len(rows)} rows; losses finite: {bool(loss.isfinite().all())}; largest |logit| "
        f"{x.abs().max():.1f}",
        wrong > 0 and bool(loss.isfinite().all()),
    )


SYMPTOM = Symptom(
    covers=("ST-3", "ST-1"),
    claim=(
        "The focal gradients of dumped scores show the rows that will turn a run with gamma below 1 into"
        " NaN, while their losses are still finite."
    ),
    show=_show,
    rows=made(spread=5.0, gap=3.0),
    takes_scores=True,
)
