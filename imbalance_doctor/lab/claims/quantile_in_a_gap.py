"""A gap at the quantile makes the threshold jump, and more rows do not end it."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import spread
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

_SHARE, _GAP = 0.05, 10.0


def _thresholds(draw: Draw, rows: int) -> list[float]:
    generator = draw.generator(rows)
    found = []
    for _ in range(draw.size(200, 10)):
        scores = torch.randn(rows, generator=generator)
        scores += _GAP * (torch.rand(rows, generator=generator) < _SHARE)
        found.append(float(scores.quantile(1 - _SHARE, interpolation="higher")))
    return found


def _measure(draw: Draw) -> Figures:
    return {
        **spread("short", _thresholds(draw, 256), _GAP),
        **spread("long", _thresholds(draw, 8192), _GAP),
    }


def _judge(f: Figures) -> Verdict:
    jumps = above(f, "short", 0.2)
    return settle(
        (CONFIRMED, (jumps, below(f, "long", 0.1))),
        (SHARPENED, (jumps, above(f, "long", 0.1))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("RQ-7",),
    document=(
        "A gap of the scores at the quantile makes the threshold jump between steps; queue entries "
        "densify it."
    ),
    measure=_measure,
    tell=(
        "The threshold scatters by {short:.0%} of the gap with 256 rows and by {long:.0%} "
        "[{long_low:.0%}, {long_high:.0%}] with 8192: more rows do not fill a gap."
    ),
    judge=_judge,
)
