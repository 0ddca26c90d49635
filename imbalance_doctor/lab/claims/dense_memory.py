"""The dense form keeps five bytes for every pair; nothing forces it."""

from __future__ import annotations

import torch
from torch import nn

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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, library
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]


def saved_bytes(loss: nn.Module, rows: Rows) -> int:
    """Return the bytes that autograd keeps of one step."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x = rows.scores.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss(x[:, None], rows.targets)
    return sum(kept.values())


def _measure(draw: Draw) -> Figures:
    rows = binary(draw.size(8000, 2000), 0.1, seed=draw.seed)
    pairs = len(rows) * len(rows.positives)
    return {
        "dense": saved_bytes(library().SmoothAPLoss(1, 0, 0.1), rows) / pairs,
        "linear": saved_bytes(SmoothAPLoss(1, 0, 0.1), rows) / pairs,
    }


def _judge(f: Figures) -> Verdict:
    dense = above(f, "dense", 3)
    return settle(
        (SHARPENED, (dense, below(f, "linear", 0.5))), (CONFIRMED, (dense,)), otherwise=CONTRADICTED
    )


CLAIM = Claim(
    covers=("AP-6",),
    document=(
        "A flattened sequence batch with the |P| x M matrix kept for all classes runs out of memory: cap "
        "the pool."
    ),
    measure=_measure,
    tell=(
        "The dense form keeps {dense:.1f} bytes for every pair of a positive and a row, a form without "
        "the matrix {linear:.3f}."
    ),
    judge=_judge,
    reference=True,
)
