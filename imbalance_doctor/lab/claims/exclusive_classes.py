"""A softmax cannot say yes to two labels."""

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

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    x = 20 * torch.randn(draw.size(20_000, 1000), 5, generator=draw.generator())
    soft, single = torch.softmax(x, 1), torch.sigmoid(x)
    return {
        "softmax": float(soft.topk(2, 1).values[:, 1].max()),
        "sigmoid": float(single.topk(2, 1).values[:, 1].max()),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "softmax", 0.5001), above(f, "sigmoid", 0.9))), otherwise=CONTRADICTED
    )


CLAIM = Claim(
    covers=("SL-2",),
    document="Binary or multi-label: sigmoid focal, not softmax.",
    measure=_measure,
    tell=(
        "The second most probable of five labels never exceeds {softmax:.3f} under a softmax, "
        "{sigmoid:.3f} under sigmoids."
    ),
    judge=_judge,
)
