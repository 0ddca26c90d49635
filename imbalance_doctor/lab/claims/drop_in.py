"""Focal is a drop-in replacement."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)
from imbalance_doctor.losses import SigmoidFocalLoss, SmoothAPLoss

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    x = torch.randn(64, 3, generator=draw.generator())
    y = (x > 1).float()
    loss = SigmoidFocalLoss(reduction="none")
    plain = torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    off = SigmoidFocalLoss(alpha=-1, gamma=0.0, reduction="none")(x, y)
    return {
        "state": len(loss.state_dict()),
        "ranking_state": len(SmoothAPLoss(1).state_dict()),
        "same_shape": float(loss(x, y).shape == plain.shape),
        "apart": float((off - plain).abs().max()),
    }


def _judge(f: Figures) -> Verdict:
    holds = (below(f, "state", 1), above(f, "same_shape", 0.5), below(f, "apart", 1e-5))
    return settle((CONFIRMED, holds), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("F-3",),
    document="Focal replaces cross-entropy without a queue or other machinery.",
    measure=_measure,
    tell=(
        "It takes the same inputs, keeps {state:.0f} tensors between steps (Smooth-AP "
        "{ranking_state:.0f}), and equals cross-entropy within {apart:.0e} at gamma 0."
    ),
    judge=_judge,
)
