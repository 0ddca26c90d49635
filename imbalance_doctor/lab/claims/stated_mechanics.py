"""alpha stays within 0 and 1, thresholds are constants, and gathered queues are the same everywhere."""

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
from imbalance_doctor.losses import RecallAtQuantileLoss, SigmoidFocalLoss, SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope
from imbalance_doctor.replay.symptoms._workers import workers

__all__ = ["CLAIM"]

_WORKERS, _SHARD = 4, 64


def _refuses(alpha: float) -> bool:
    try:
        SigmoidFocalLoss(alpha=alpha)
    except ValueError:
        return True
    return False


def _measure(draw: Draw) -> Figures:
    rows = binary(_WORKERS * _SHARD, 0.1, seed=draw.seed)
    _, gradient = slope(RecallAtQuantileLoss(1, 0.2, 0, 1.0, anchor=False), rows)

    def stored(rank: int) -> torch.Tensor:
        loss = SmoothAPLoss(1, 2 * len(rows))
        slope(loss, rows.take(slice(rank * _SHARD, (rank + 1) * _SHARD)))
        return loss._queue._q_logits.clone()  # noqa: SLF001

    queues = workers(_WORKERS, stored)
    return {
        "refused": sum(_refuses(a) for a in (1.5, 20.0, -0.5)),
        "negatives": float(gradient[rows.targets == 0].abs().max()),
        "positives": float(gradient[rows.targets == 1].abs().max()),
        "queues": max(float((q - queues[0]).abs().max()) for q in queues),
    }


def _judge(f: Figures) -> Verdict:
    holds = (
        above(f, "refused", 2),
        below(f, "negatives", 1e-12),
        above(f, "positives", 1e-6),
        below(f, "queues", 1e-12),
    )
    return settle((CONFIRMED, holds), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("C23",),
    document=(
        "alpha of the sigmoid focal loss lies in [0, 1], thresholds carry no gradient, and the queues of "
        "gathered workers are identical."
    ),
    measure=_measure,
    tell=(
        "{refused:.0f} of 3 values of alpha outside are refused, the largest gradient of a negative is "
        "{negatives:.1g}, the largest difference between the queues of 4 workers {queues:.1g}."
    ),
    judge=_judge,
)
