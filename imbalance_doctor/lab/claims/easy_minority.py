"""A low loss of the rare class with a low recall needs a small weight."""

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
    # Recall 0.2: four of five positives just miss the threshold, the fifth is certain.
    x = torch.tensor([-1e-6] * 4 + [40.0], dtype=torch.float64)
    y = torch.ones_like(x)
    easy = torch.full((5,), 3.0, dtype=torch.float64)

    def level(logits: torch.Tensor, gamma: float, alpha: float) -> float:
        return sigmoid_focal(logits, y, alpha=alpha, gamma=gamma).item()

    return {
        "two": level(x, 2.0, -1),
        "five": level(x, 5.0, -1),
        "weighted": level(x, 2.0, 0.01),
        "easy": level(easy, 2.0, -1),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "two", 0.02),)),
        (SHARPENED, (above(f, "two", 0.05), below(f, "weighted", 0.02))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("G-6",),
    document="A minority that became easy is ignored: its class loss is low while its recall is low.",
    measure=_measure,
    tell=(
        "At a recall of 0.2 its mean focal loss is at least {two:.2f} at gamma 2; low is {five:.3f} at "
        "gamma 5 or {weighted:.4f} with alpha 0.01. Where all are easy (p_t 0.95) it is {easy:.4f}, and "
        "recall is 1."
    ),
    judge=_judge,
)
