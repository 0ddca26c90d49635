"""Shards that are ranked alone mislead where each holds few positives."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.claims._stats import cosine, mean
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    OPEN,
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
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]

_WORKERS, _SHARD = 8, 64


def _step(number: int, prevalence: float) -> tuple[float, float, float]:
    rows = binary(_WORKERS * _SHARD, prevalence, seed=number)
    loss = SmoothAPLoss(1, 0, 0.1)
    whole, gradient = slope(loss, rows)
    own = [slope(loss, rows.take(slice(r * _SHARD, (r + 1) * _SHARD))) for r in range(_WORKERS)]
    values = [value for value, _ in own]
    local = np.concatenate([g.numpy() for _, g in own])
    return float(np.std(values)), float(np.mean(values)) - whole, cosine(local, gradient.numpy())


def _measure(draw: Draw) -> Figures:
    found: dict[str, float] = {}
    for name, prevalence in (("many", 0.25), ("few", 0.05), ("hardly", 0.0125)):
        steps = [_step(1000 * draw.seed + i, prevalence) for i in range(draw.size(20, 3))]
        for figure, values in zip(("apart", "low", "agrees"), zip(*steps, strict=True), strict=True):
            found.update(mean(f"{name}_{figure}", values))
    return found


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "many_agrees", 0.5),)),
        (
            SHARPENED,
            (above(f, "many_agrees", 0.75), below(f, "few_agrees", 0.75), above(f, "few_apart", 0.05)),
        ),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C16", "DX-11", "OV-1"),
    document="Workers that rank their own shards get qualitatively wrong ranks, and their losses differ.",
    measure=_measure,
    tell=(
        "With 16, 3.2 and 0.8 positives for each of 8 workers their losses scatter by {many_apart:.2f}, "
        "{few_apart:.2f} and {hardly_apart:.2f}, their mean is {many_low:+.2f}, {few_low:+.2f} and "
        "{hardly_low:+.2f} off, and the averaged gradient agrees with that of the whole batch by "
        "{many_agrees:.2f}, {few_agrees:.2f} and {hardly_agrees:.2f}."
    ),
    judge=_judge,
)
