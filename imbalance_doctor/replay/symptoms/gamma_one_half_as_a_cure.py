"""Lowering gamma to 0.5 for stability makes a finite gradient not finite."""

from __future__ import annotations

import torch

from imbalance_doctor.replay.symptoms._parts import made, plain_focal
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BEFORE = 2.0


def _show(rows: Rows, cause: bool) -> Shown:
    wrong = {}
    for gamma in (_BEFORE, 0.5 if cause else 1.0):
        x = rows.scores.float().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(plain_focal(x, rows.targets, gamma).sum(), x)
        wrong[gamma] = int((~gradient.isfinite()).sum())
    (before, old), (after, new) = wrong.items()
    return Shown(
        f"a gradient that is finite at gamma {before:g} and not at the lower gamma {after:g}",
        f"rows with a gradient that is not finite: {old} at gamma {before:g}, {new} at gamma {after:g}",
        old == 0 and new > 0,
    )


SYMPTOM = Symptom(
    covers=("X-1", "G-3", "ST-1"),
    claim=(
        "The advice to cure instability by gamma 1 or 0.5 is half wrong: 0.5 makes the gradient of"
        " certain rows not finite, 1 does not."
    ),
    show=_show,
    rows=made(spread=5.0, gap=3.0),
    takes_scores=True,
)
