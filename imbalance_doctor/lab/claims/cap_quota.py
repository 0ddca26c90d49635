"""The cap leaves a class with neither its quota nor less, but with what it has and a share of the rest."""

from __future__ import annotations

import torch

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
from imbalance_doctor.losses.pool import quota_sample

__all__ = ["CLAIM"]

_MIXES = (((15283, 77), 4096), ((10000, 4000, 1000, 300, 60), 4096), ((19000, 1000), 2000))


def _measure(draw: Draw) -> Figures:
    error, off, rare, said = 0.0, 1.0, 0.0, 0.0
    for counts, size in _MIXES:
        targets = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
        times = draw.size(20, 2)
        kept = torch.zeros(len(counts))
        for i in range(times):
            chosen = quota_sample(targets, size, draw.generator(i)).rows
            kept += torch.bincount(targets[chosen], minlength=len(counts)) / times
        quota = size // (2 * len(counts))
        reserved = [min(n, quota) for n in counts]
        for n, r, found in zip(counts, reserved, kept.tolist(), strict=True):
            formula = r + (size - sum(reserved)) * (n - r) / (sum(counts) - sum(reserved))
            error = max(error, abs(found / formula - 1))
            off = max(off, found / quota, quota / found)
        if not said:
            rare, said = float(kept[-1]), quota
    return {"off": off, "error": error, "rare": rare, "said": said}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "off", 1.2),)),
        (CONTRADICTED, (above(f, "off", 2), below(f, "error", 0.1))),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C8", "AP-8"),
    document="The subsampler leaves about max_pool_size / (2 x classes) rows of every class.",
    measure=_measure,
    tell=(
        "Up to {off:.0f} times off: of 77 positives among 15,360 rows a cap of 4096 leaves {rare:.0f}, "
        "not {said:.0f}. min(count, quota) and a share of the rest, (K - R)(n - r) / (M - R), fits within "
        "{error:.0%}."
    ),
    judge=_judge,
)
