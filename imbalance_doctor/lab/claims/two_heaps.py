"""Between two heaps of scores a positive has no gradient."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import mean
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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]

_NEGATIVES = 1000


def _pull(negatives: torch.Tensor, at: float) -> float:
    rows = Rows(torch.cat([torch.tensor([at]), negatives]), (torch.arange(_NEGATIVES + 1) == 0).long())
    return float(slope(SmoothAPLoss(1, 0, 0.3), rows)[1][0].abs())


def _measure(draw: Draw) -> Figures:
    heaps, one = [], []
    for i in range(draw.size(15, 2)):
        noise = torch.randn(_NEGATIVES, generator=draw.generator(i))
        side = torch.where(torch.arange(_NEGATIVES) % 2 == 0, 4.0, -4.0)
        heaps.append(_pull(0.5 * noise + side, 0.0) / _pull(0.5 * noise + side, 4.0))
        one.append(_pull(noise, 0.0) / _pull(noise, 1.0))
    return {**mean("gap", heaps), **mean("single", one)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (below(f, "gap", 0.1), above(f, "single", 0.2))), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("AP-13",),
    document="Under a bimodal score distribution the signal depends on where a positive sits.",
    measure=_measure,
    tell=(
        "A positive between two heaps of negatives has {gap:.2g} of the gradient of one in the upper "
        "heap; in a single heap its middle has {single:.2f} of that one spread above."
    ),
    judge=_judge,
)
