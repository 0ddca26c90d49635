"""The cap makes the loss random, and shifts it by more than it scatters."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import mean, spread
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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    rows = binary(8000, 0.02, seed=draw.seed)
    whole = slope(SmoothAPLoss(1, 0, 0.1), rows)[0]
    capped = []
    for i in range(draw.size(40, 4)):
        torch.manual_seed(1000 * draw.seed + i)
        capped.append(slope(SmoothAPLoss(1, 0, 0.1, max_pool_size=1024, cap="quota"), rows)[0])
    loss = SmoothAPLoss(1, 2048, 0.1, max_pool_size=1024, cap="quota")
    slope(loss, rows.head(2000))
    stored = int((loss._queue._q_targets != loss.ignore_index).sum())  # noqa: SLF001
    noise = spread("noise", capped)
    shift = mean("shift", [whole - c for c in capped])
    unit = noise["noise"]
    return {**noise, **shift, "whole": whole, "bias": shift["shift_low"] / unit, "stored": stored}


def _judge(f: Figures) -> Verdict:
    random = (above(f, "noise", 0.0005), above(f, "stored", 1999))
    return settle((SHARPENED, (*random, above(f, "bias", 2))), (CONFIRMED, random), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("AP-7",),
    document=(
        "Subsampling makes the loss of identical input random, like dropout; the queue still gets the "
        "full batch."
    ),
    measure=_measure,
    tell=(
        "The loss of the same rows scatters by {noise:.4f} under a cap of 1024 of 8000 rows, and the "
        "queue took {stored:.0f} of 2000; but it is also {shift:.2f} too low at {whole:.2f}: a bias, not "
        "only noise."
    ),
    judge=_judge,
)
