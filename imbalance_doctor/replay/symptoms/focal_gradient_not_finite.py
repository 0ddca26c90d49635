"""gamma between 0 and 1: the gradient is not finite from the logit at which the dtype saturates."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from imbalance_doctor.losses import sigmoid_focal
from imbalance_doctor.replay.symptoms._parts import grid, plain_focal
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BELOW_ONE, _WHOLE = (0.25, 0.5, 0.75), (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
_EPSILON, _STEP = 1e-3, 0.05
_DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def _first(rows: Rows, dtype: torch.dtype, gamma: float, form: str) -> float:
    """Return the size of the smallest logit whose gradient is not finite; infinity where there is none."""
    x = rows.scores.to(dtype, copy=True).requires_grad_()
    if form == "bundled":
        loss = sigmoid_focal(x, rows.targets, alpha=-1, gamma=gamma, reduction="none")
    else:
        loss = plain_focal(x, rows.targets, gamma, _EPSILON if form == "epsilon" else 0.0)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert isinstance(x.grad, Tensor)  # noqa: S101  every row has one
    wrong = rows.scores[~x.grad.isfinite()].abs()
    return wrong.min().item() if len(wrong) else math.inf


def _saturates(dtype: torch.dtype) -> tuple[float, float]:
    """Return between which logits 1 - p rounds to 0, by whether p or 1 + exp(-x) is what is rounded."""
    digits = 1 - math.log2(torch.finfo(dtype).eps)
    return digits * math.log(2) - _STEP, (digits + 1) * math.log(2) + _STEP


def _show(rows: Rows, cause: bool) -> Shown:
    if cause:
        forms = [("plain", gamma) for gamma in _BELOW_ONE]
    else:
        stable = [(form, gamma) for form in ("epsilon", "bundled") for gamma in _BELOW_ONE]
        forms = [("plain", gamma) for gamma in _WHOLE] + stable
    firsts = {
        name: [_first(rows, dtype, gamma, form) for form, gamma in forms] for name, dtype in _DTYPES.items()
    }
    limits = {name: _saturates(dtype) for name, dtype in _DTYPES.items()}
    limit = ", ".join(f"{name} {low:.1f} to {high:.1f}" for name, (low, high) in limits.items())
    told = ", ".join(
        f"{name} at {min(at):.2f}" if min(at) < math.inf else f"{name} never" for name, at in firsts.items()
    )
    gammas = ", ".join(f"{gamma:g}" for gamma in (_BELOW_ONE if cause else (*_WHOLE, *_BELOW_ONE)))
    return Shown(
        f"a gradient that is not finite from the logit where the dtype saturates on: {limit}",
        f"{told}, for gamma {gammas}" + ("" if cause else ", the last three in stabilised forms"),
        all(limits[n][0] <= first <= limits[n][1] for n, at in firsts.items() for first in at),
    )


SYMPTOM = Symptom(
    covers=("ST-1", "ST-2", "X-1", "G-4"),
    claim=(
        "For gamma between 0 and 1 the gradient of the plain focal loss is not finite once 1 - p_t rounds"
        " to 0; gamma 0, 1, 2, 3, 4, 5 and the stabilised forms stay finite."
    ),
    show=_show,
    rows=grid,
)
