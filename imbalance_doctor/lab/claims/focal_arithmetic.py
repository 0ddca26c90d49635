"""The gradient of an easy row falls less than its loss."""

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
    x = torch.logit(torch.tensor([0.9], dtype=torch.float64)).requires_grad_()
    y = torch.ones(1, dtype=torch.float64)
    sides = []
    for gamma in (2.0, 0.0):
        loss = sigmoid_focal(x, y, alpha=-1, gamma=gamma)
        sides.append((loss.item(), torch.autograd.grad(loss, x)[0].item()))
    (focal, slope), (plain, steep) = sides
    return {"loss": focal / plain, "gradient": slope / steep}


def _judge(f: Figures) -> Verdict:
    right = (above(f, "loss", 0.009), below(f, "loss", 0.011))
    return settle(
        (SHARPENED, (*right, above(f, "gradient", 0.015))), (CONFIRMED, right), otherwise=CONTRADICTED
    )


CLAIM = Claim(
    covers=("F-2",),
    document="At p_t = 0.9 and gamma 2 a row contributes about 1 % of its cross-entropy.",
    measure=_measure,
    tell="Its loss is {loss:.1%} of it, its gradient, which trains, {gradient:.1%}.",
    judge=_judge,
)
