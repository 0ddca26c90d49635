"""With few negatives the edge of the band is the highest of them."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import mean, spread
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

__all__ = ["CLAIM"]

_BETA = 0.005


def inflation(draw: Draw, negatives: int) -> list[float]:
    """Return by pool the true false-positive rate at the edge of the band, over the rate asked for."""
    generator = draw.generator(negatives)
    found = []
    for _ in range(draw.size(400, 12)):
        pool = torch.rand(negatives, generator=generator)
        found.append(float(1 - pool.quantile(1 - _BETA, interpolation="higher")) / _BETA)
    return found


def _measure(draw: Draw) -> Figures:
    few, some, many = (inflation(draw, n) for n in (50, 100, 2000))
    return {**mean("few", few), **mean("some", some), **mean("many", many), **spread("swing", many)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "few", 1.5), above(f, "many", 0.8), below(f, "many", 1.25))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("C10", "PA-5"),
    document="With few negatives the tail quantile is biased towards the highest of them.",
    measure=_measure,
    tell=(
        "The band of 0.005 is truly {few:.1f} [{few_low:.1f}, {few_high:.1f}] times as wide with 50 "
        "negatives, {some:.1f} times with 100 and {many:.2f} times with 2000."
    ),
    judge=_judge,
)
