"""A mean over positives does not weaken with the background."""

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
from imbalance_doctor.losses import SoftmaxFocalLoss
from imbalance_doctor.replay.symptoms._parts import slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]

_POSITIVES = 20


def _left(reduction: str, seed: int) -> float:
    """Return the gradient of positives with ten times the background, over that with the background."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(11 * 1000, 3, generator=draw)
    y = torch.zeros(len(x), dtype=torch.int64)
    y[:_POSITIVES] = 1
    sizes = []
    for rows in (1000, 10_000):
        _, gradient = slope(SoftmaxFocalLoss(reduction=reduction), Rows(x[:rows], y[:rows]))
        sizes.append(float(gradient[:_POSITIVES].norm()))
    return sizes[1] / sizes[0]


def _measure(draw: Draw) -> Figures:
    return {"mean": _left("mean", draw.seed), "positives": _left("mean_positive", draw.seed)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (below(f, "mean", 0.2), above(f, "positives", 0.9))), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("SL-4",),
    document="Detection with many background anchors: softmax focal with mean_positive.",
    measure=_measure,
    tell=(
        "Ten times the background leaves {mean:.0%} of a positive's gradient under mean, {positives:.0%} "
        "under mean_positive."
    ),
    judge=_judge,
)
