"""A batch without positives trains nothing under Recall-at-Quantile."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import proportion
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)
from imbalance_doctor.losses import RecallAtQuantileLoss, SmoothAPLoss
from imbalance_doctor.losses.base import RankingLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]

_BATCH, _PREVALENCE = 32, 0.005


def idle_steps(draw: Draw, loss: RankingLoss, name: str) -> dict[str, float]:
    """Measure the share of steps without a gradient at 0.5 % positives and batches of 32."""
    steps = draw.size(250, 20)
    rows = binary(_BATCH * (steps + 200), _PREVALENCE, seed=draw.seed)
    idle = 0
    for step in range(-200, steps):
        low = _BATCH * (step + 200)
        if step < 0 and loss.queue_size < -step * _BATCH:
            continue  # only the rows that the queue can hold are needed before
        _, gradient = slope(loss, rows.take(slice(low, low + _BATCH)))
        idle += step >= 0 and not gradient.any()
    return proportion(name, idle, steps)


def _measure(draw: Draw) -> Figures:
    return {
        **idle_steps(draw, RecallAtQuantileLoss(1, 0.01, 4096, 0.5, anchor=False), "recall"),
        **idle_steps(draw, SmoothAPLoss(1, 4096, 0.5), "ranks"),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONTRADICTED, (above(f, "recall", 0.5), below(f, "ranks", 0.2))),
        (CONFIRMED, (below(f, "recall", 0.2),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("AP-5",),
    document=(
        "Where memory forbids a pool with enough positives, Recall-at-Quantile serves, as it needs no "
        "count of positives."
    ),
    measure=_measure,
    tell=(
        "At 0.5 % positives, batches of 32 and a queue of 4096 {recall:.0%} [{recall_low:.0%}, "
        "{recall_high:.0%}] of its steps have no gradient at all, {ranks:.0%} of those of Smooth-AP."
    ),
    judge=_judge,
)
