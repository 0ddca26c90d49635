"""Before training Smooth-AP stands at 1 - (P + 1) / (M + 1), not at 0.5."""

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
from imbalance_doctor.losses import PAUCAtBudgetLoss, RecallAtQuantileLoss, SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    del draw  # nothing is random

    def equal(rows: int, positives: int) -> Rows:
        return Rows(torch.zeros(rows), (torch.arange(rows) < positives).long())

    def cost(rows: int, positives: int) -> float:
        return slope(SmoothAPLoss(1, 0), equal(rows, positives))[0]

    pools = ((256, 128), (1280, 64), (1280, 13), (1280, 1))
    error = max(abs(cost(m, p) - (1 - (p + 1) / (m + 1))) for m, p in pools)
    return {
        "error": error,
        "balanced": cost(256, 128),
        "rare": cost(1280, 13),
        "recall": slope(RecallAtQuantileLoss(1, 0.05, 0), equal(1280, 13))[0],
        "partial": slope(PAUCAtBudgetLoss(1, beta=0.05, queue_size=0), equal(1280, 13))[0],
    }


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (above(f, "rare", 0.4), below(f, "rare", 0.6))), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("C2", "DX-1", "AP-9", "X-3"),
    document=(
        "A ranking loss that starts from near-uniform scores stays near 0.5, for soft ranks are about M / 2."
    ),
    measure=_measure,
    tell=(
        "Equal scores cost Smooth-AP {rare:.4f} at 1 % positives and {balanced:.4f} at one half, as 1 - "
        "(P + 1) / (M + 1) says (largest difference {error:.1g}); Recall-at-Quantile {recall:.3f}, "
        "partial AUC {partial:.3f}."
    ),
    judge=_judge,
)
