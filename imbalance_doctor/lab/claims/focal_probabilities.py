"""The minimiser of the focal loss is not the probability."""

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
from imbalance_doctor.losses import sigmoid_focal

__all__ = ["CLAIM"]

_TRUE = 0.01


def minimiser(rate: float, gamma: float, alpha: float) -> float:
    """Return the probability at which the expected focal loss of rows with this rate is least."""
    x = torch.linspace(-9, 4, 26_001, dtype=torch.float64)
    one = sigmoid_focal(x, torch.ones_like(x), alpha=alpha, gamma=gamma, reduction="none")
    zero = sigmoid_focal(x, torch.zeros_like(x), alpha=alpha, gamma=gamma, reduction="none")
    return float(torch.sigmoid(x[(rate * one + (1 - rate) * zero).argmin()]))


def _measure(draw: Draw) -> Figures:
    del draw  # nothing is random
    return {
        "bce": minimiser(_TRUE, 0.0, -1),
        "one": minimiser(_TRUE, 1.0, -1),
        "two": minimiser(_TRUE, 2.0, -1),
        "five": minimiser(_TRUE, 5.0, -1),
        "weighted": minimiser(_TRUE, 2.0, 0.95),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "two", 2 * _TRUE), below(f, "bce", 1.1 * _TRUE), above(f, "bce", 0.9 * _TRUE))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("F-8", "G-14"),
    document=(
        "Focal probabilities are not calibrated; where probabilities are the goal, prefer a proper "
        "scoring rule."
    ),
    measure=_measure,
    tell=(
        "Where 1 % are positive the best answer under gamma 1, 2 and 5 is {one:.3f}, {two:.3f} and "
        "{five:.3f}, with alpha 0.95 {weighted:.3f}; under cross-entropy {bce:.3f}."
    ),
    judge=_judge,
)
