"""Gradients spike by pool size x temperature / spread, not by temperature alone."""

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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, norm, slope

__all__ = ["CLAIM"]

_ROWS, _POOLS = 1000, 30


def _wildness(draw: Draw, spread: float, temperature: float, groups: int) -> list[float]:
    """Return the largest gradient over the median one, by group of pools."""
    found = []
    for group in range(groups):
        sizes = []
        for pool in range(draw.size(_POOLS, 5)):
            rows = binary(_ROWS, 0.02, spread=spread, seed=100_000 * draw.seed + 1000 * group + pool)
            sizes.append(norm(slope(SmoothAPLoss(1, 0, temperature), rows)[1]))
        sizes_ = torch.tensor(sizes)
        found.append(float(sizes_.max() / sizes_.median()))
    return found


def _measure(draw: Draw) -> Figures:
    groups = draw.size(6, 2)
    return {
        **mean("narrow", _wildness(draw, 0.06, 0.004, groups)),
        **mean("wide", _wildness(draw, 2.5, 0.008, groups)),
        **mean("calm", _wildness(draw, 2.5, 0.25, groups)),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (SHARPENED, (below(f, "narrow", 3), above(f, "wide", 3))),
        (CONFIRMED, (above(f, "narrow", 3), below(f, "wide", 3))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("C4", "AP-10", "DX-2"),
    document=(
        "A temperature below 0.005 makes gradients spike; a loss that oscillates has too low a temperature."
    ),
    measure=_measure,
    tell=(
        "The largest gradient of 30 pools is {narrow:.1f} [{narrow_low:.1f}, {narrow_high:.1f}] times the "
        "median at temperature 0.004 and score spread 0.06 (M x temperature / spread = 67), {wide:.1f} "
        "[{wide_low:.1f}, {wide_high:.1f}] at 0.008 and 2.5 (3.2), {calm:.1f} at 0.25 and 2.5 (100): the "
        "product decides."
    ),
    judge=_judge,
)
