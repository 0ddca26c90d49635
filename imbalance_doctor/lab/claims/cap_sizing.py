"""A cap sized for so many rows of a class keeps them, where the class has them."""

from __future__ import annotations

import torch

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
from imbalance_doctor.losses.pool import quota_sample

__all__ = ["CLAIM"]

_WANTED = 100
_MIXES = ((20_000, 500), (20_000, 30), (9000, 4000, 1000, 150))


def _measure(draw: Draw) -> Figures:
    enough, scarce = 1e9, 1e9
    for counts in _MIXES:
        targets = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
        size = _WANTED * 2 * len(counts)
        for i in range(draw.size(20, 2)):
            kept = torch.bincount(targets[quota_sample(targets, size, draw.generator(i)).rows])
            for n, found in zip(counts, kept.tolist(), strict=True):
                if n >= _WANTED:
                    enough = min(enough, found / _WANTED)
                else:
                    scarce = min(scarce, found / _WANTED)
    return {"enough": enough, "scarce": scarce}


def _judge(f: Figures) -> Verdict:
    keeps = above(f, "enough", 0.999)
    return settle(
        (CONFIRMED, (keeps, above(f, "scarce", 0.999))), (SHARPENED, (keeps,)), otherwise=CONTRADICTED
    )


CLAIM = Claim(
    covers=("AP-8",),
    document="max_pool_size = wanted rows of a class x 2 x classes keeps that many.",
    measure=_measure,
    tell=(
        "It keeps at least {enough:.2f} of the wanted rows of classes that have them, and {scarce:.2f} of "
        "a class that has fewer, which only a longer queue helps."
    ),
    judge=_judge,
)
