"""Averaging over live positives keeps the gradient, and blanks steps without one."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import proportion
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    settle,
)
from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import binary, norm, slope

__all__ = ["CLAIM"]

_BATCH, _QUEUE, _PREVALENCE = 32, 4096, 0.02


def _measure(draw: Draw) -> Figures:
    steps = draw.size(150, 12)
    rows = binary(_QUEUE + _BATCH * steps, _PREVALENCE, seed=draw.seed)
    sizes = {}
    zero = 0
    for numerator in ("pool", "live"):
        loss = PAUCAtBudgetLoss(
            1, beta=0.1, queue_size=_QUEUE, temperature=1.0, pos_numerator=numerator, anchor=False
        )
        slope(loss, rows.take(slice(0, _QUEUE)))
        total = 0.0
        for step in range(steps):
            low = _QUEUE + _BATCH * step
            value, gradient = slope(loss, rows.take(slice(low, low + _BATCH)))
            total += norm(gradient)
            zero += numerator == "live" and value == 0
        sizes[numerator] = total
    return {"gain": sizes["live"] / sizes["pool"], **proportion("zero", zero, steps)}


def _judge(f: Figures) -> Verdict:
    helps = above(f, "gain", 2)
    return settle((SHARPENED, (helps, above(f, "zero", 0.1))), (CONFIRMED, (helps,)), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("PA-9", "DX-9"),
    document=(
        "pos_numerator 'pool' divides the live gradient by all pooled positives; 'live' helps the "
        "trapezoid form."
    ),
    measure=_measure,
    tell=(
        "At 2 % positives, batches of 32 and a queue of 4096 'live' has {gain:.0f} times the gradient, "
        "and a loss of exactly 0 in {zero:.0%} of the steps."
    ),
    judge=_judge,
)
