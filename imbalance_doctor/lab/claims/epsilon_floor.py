"""At a small gamma the smoothed form hardly focuses."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    below,
    settle,
)
from imbalance_doctor.replay.symptoms._parts import plain_focal

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    del draw  # nothing is random
    x, y = torch.tensor([20.0], dtype=torch.float64), torch.ones(1)
    plain = plain_focal(x, y, 0.0)
    return {f"weight_{round(100 * g)}": float(plain_focal(x, y, g, 1e-3) / plain) for g in (0.1, 0.5, 0.9)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (below(f, "weight_10", 0.1),)), otherwise=SHARPENED)


CLAIM = Claim(
    covers=("ST-2",),
    document="A small epsilon changes nothing else.",
    measure=_measure,
    tell=(
        "A row that is certain keeps {weight_10:.0%} of its weight at gamma 0.1, {weight_50:.1%} at 0.5 "
        "and {weight_90:.2%} at 0.9: epsilon to the power of gamma."
    ),
    judge=_judge,
)
