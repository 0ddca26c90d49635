"""Outliers leave the soft ranks of the others alone, unless the temperature follows the spread."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import mean
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

__all__ = ["CLAIM"]

_ROWS, _OUT = 1000, 10


def _soft(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.sigmoid((scores[None, :] - scores[:, None]) / temperature).sum(1) / len(scores)


def _measure(draw: Draw) -> Figures:
    fixed, following = [], []
    for i in range(draw.size(12, 2)):
        clean = torch.randn(_ROWS, generator=draw.generator(i))
        spoilt = clean.clone()
        spoilt[:_OUT] *= 100
        rest = slice(_OUT, None)
        before = _soft(clean, 0.1)[rest]
        fixed.append(float((_soft(spoilt, 0.1)[rest] - before).abs().mean()))
        following.append(float((_soft(spoilt, 0.1 * float(spoilt.std()))[rest] - before).abs().mean()))
    return {**mean("fixed", fixed), **mean("following", following)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "fixed", 0.05),)),
        (SHARPENED, (below(f, "fixed", 0.05), above(f, "following", 0.05))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("AP-4",),
    document="Outliers squeeze all other soft ranks towards 0 or 1.",
    measure=_measure,
    tell=(
        "1 % of scores a hundred times too large move the others' soft ranks by {fixed:.3f} on average at "
        "a fixed temperature, and by {following:.2f} towards one half where the temperature follows the "
        "spread."
    ),
    judge=_judge,
)
