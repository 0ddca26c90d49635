"""M * q = 10 is a floor, not stability."""

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


def swing(draw: Draw, held: float, share: float = 0.01) -> list[float]:
    """Return by pool the share of everything above the pool's quantile, over the share asked for."""
    size = round(held / share)
    generator = draw.generator(int(held))
    found = []
    for _ in range(draw.size(400, 12)):
        pool = torch.rand(size, generator=generator)
        found.append(float(1 - pool.quantile(1 - share, interpolation="higher")) / share)
    return found


def _measure(draw: Draw) -> Figures:
    found: dict[str, float] = {}
    for name, held in (("one", 1), ("ten", 10), ("hundred", 100)):
        found.update(spread(name, swing(draw, held)))
    return found


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "ten", 0.2),)),
        (SHARPENED, (below(f, "ten", 0.5), above(f, "one", 0.5))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("C5", "RQ-3", "RQ-8", "DX-6"),
    document=(
        "A pool with M * q >= 10 has a stable threshold; 1 / q rows are needed at least, 5 to 10 times "
        "more to be stable."
    ),
    measure=_measure,
    tell=(
        "The share really taken swings by {one:.0%} at M * q = 1, {ten:.0%} [{ten_low:.0%}, "
        "{ten_high:.0%}] at 10 and {hundred:.0%} at 100, about 1 / sqrt(M * q): 10 is a floor, 100 gives "
        "10 %."
    ),
    judge=_judge,
)
