"""Mined negatives that count as drawn ones move the edge of the band."""

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
from imbalance_doctor.losses import PAUCAtBudgetLoss

__all__ = ["CLAIM"]

_BETA, _DRAWN, _MINED = 0.05, 1000, 200


def _rate(number: int, *, masked: bool) -> float:
    draw = torch.Generator().manual_seed(number)
    drawn, pool = torch.randn(_DRAWN, generator=draw), torch.randn(20 * _MINED, generator=draw)
    negatives = torch.cat([drawn, pool.topk(_MINED).values])
    scores = torch.cat([negatives, torch.randn(20, generator=draw) + 2])
    targets = (torch.arange(len(scores)) >= len(negatives)).long()
    iid = torch.ones(len(scores), dtype=torch.bool)
    iid[_DRAWN : _DRAWN + _MINED] = not masked
    _, told = PAUCAtBudgetLoss(1, beta=_BETA, queue_size=0)(scores[:, None], targets, iid, False, True)
    return float(torch.special.ndtr(-told["t_beta"])) / _BETA


def _measure(draw: Draw) -> Figures:
    numbers = [1000 * draw.seed + i for i in range(draw.size(40, 3))]
    return {
        **mean("bare", [_rate(n, masked=False) for n in numbers]),
        **mean("masked", [_rate(n, masked=True) for n in numbers]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "bare", 0.7), above(f, "masked", 0.8), below(f, "masked", 1.25))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("PA-7",),
    document="Hard-negative mining without iid_mask shifts the false-positive rate that beta stands for.",
    measure=_measure,
    tell=(
        "With 200 mined beside 1000 drawn negatives the band truly ends at {bare:.2f} [{bare_low:.2f}, "
        "{bare_high:.2f}] times beta, with iid_mask at {masked:.2f} times."
    ),
    judge=_judge,
)
