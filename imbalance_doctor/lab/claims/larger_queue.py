"""A larger queue helps the ranking losses that push negatives, and not the others."""

from __future__ import annotations

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
from imbalance_doctor.lab.claims.recall_needs_no_positives import idle_steps
from imbalance_doctor.losses import RecallAtQuantileLoss, SmoothAPLoss

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    found: dict[str, float] = {}
    for queue, name in ((0, "none"), (4096, "long")):
        found.update(
            idle_steps(draw, RecallAtQuantileLoss(1, 0.05, queue, 0.5, anchor=False), f"recall_{name}")
        )
        found.update(idle_steps(draw, SmoothAPLoss(1, queue, 0.5), f"ranks_{name}"))
    return found


def _judge(f: Figures) -> Verdict:
    helped = (above(f, "ranks_none", 0.5), below(f, "ranks_long", 0.2))
    return settle(
        (CONFIRMED, (*helped, below(f, "recall_long", 0.2))),
        (SHARPENED, (*helped, above(f, "recall_long", 0.5))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("DX-3",),
    document="A rare class that never improves has no positives in the pool: take a larger queue.",
    measure=_measure,
    tell=(
        "A queue of 4096 lowers the share of steps without a gradient from {ranks_none:.0%} to "
        "{ranks_long:.0%} under Smooth-AP, and from {recall_none:.0%} to {recall_long:.0%} under "
        "Recall-at-Quantile, where only live positives have one."
    ),
    judge=_judge,
)
