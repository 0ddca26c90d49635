"""How much of the loss of a trained model easy negatives hold, and what focal leaves of it."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import bank
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

_EASY = 2.197  # the logit of a probability of 0.9


def _share(scores: torch.Tensor, targets: torch.Tensor, gamma: float) -> float:
    each = sigmoid_focal(scores, targets, alpha=-1, gamma=gamma, reduction="none")
    return float(each[(targets == 0) & (scores < -_EASY)].sum() / each.sum())


def _measure(draw: Draw) -> Figures:
    found = [w.arms["bce"] for w in bank(draw)]
    return {
        **mean("plain", [_share(o.scores, o.targets, 0.0) for o in found]),
        **mean("focal", [_share(o.scores, o.targets, 2.0) for o in found]),
    }


def _judge(f: Figures) -> Verdict:
    less = below(f, "focal", f["plain"] / 3)
    return settle(
        (CONFIRMED, (less, above(f, "plain", 0.5))),
        (SHARPENED, (less, below(f, "plain", 0.5))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("F-2",),
    document="Easy majority rows dominate the loss mass, and focal takes it away from them.",
    measure=_measure,
    tell=(
        "Negatives with p_t above 0.9 hold {plain:.0%} [{plain_low:.0%}, {plain_high:.0%}] of the "
        "cross-entropy of trained models and {focal:.1%} of the focal loss of the same scores."
    ),
    judge=_judge,
)
