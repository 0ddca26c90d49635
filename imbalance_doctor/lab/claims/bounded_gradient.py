"""The focal gradient by the logit is bounded, however wrong the row."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)
from imbalance_doctor.losses import sigmoid_focal

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    del draw  # nothing is random
    x = torch.linspace(-60, 20, 8001, dtype=torch.float64, requires_grad=True)
    found = {}
    for name, gamma in (("plain", 0.0), ("two", 2.0), ("five", 5.0)):
        loss = sigmoid_focal(x, torch.ones_like(x), alpha=-1, gamma=gamma, reduction="none")
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        found[name] = float(gradient.abs().max())
        if gamma == 2:  # noqa: PLR2004  the usual one
            found["loss"] = float(loss.max())
    return found


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "loss", 10), above(f, "two", 10))),
        (SHARPENED, (above(f, "loss", 10), below(f, "two", 2), below(f, "five", 3))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("G-5",),
    document="p_t near 0 gives a very large loss and gradient: clip gradients.",
    measure=_measure,
    tell=(
        "The loss grows to {loss:.0f} at a logit of -60, but the gradient by the logit never exceeds "
        "{two:.2f} at gamma 2, {five:.2f} at 5 and {plain:.2f} without."
    ),
    judge=_judge,
)
