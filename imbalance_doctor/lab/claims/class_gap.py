"""How a class that is seldom seen fares with a large weight."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import fit, network
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)
from imbalance_doctor.losses import SoftmaxFocalLoss
from imbalance_doctor.replay.symptoms._parts import average_precision

__all__ = ["CLAIM"]

_BATCH, _COLUMNS = 32, 6
_SHARES = {"often": 0.1, "seldom": 0.0016}
"""Of the rare class; every batch holds it or one in 20."""


@cache
def rare_class(seed: int, smoke: bool) -> dict[str, list[float]]:
    """Return by seed the average precision of the rare of three classes, by its share and by weighting."""
    rows, steps, times = (3000, 40, 2) if smoke else (20_000, 600, 6)
    found: dict[str, list[float]] = {}
    for name, share in _SHARES.items():
        weights = torch.tensor([(1 - share) / 2, (1 - share) / 2, share])
        for i in range(times):
            number = 1000 * seed + i
            draw = torch.Generator().manual_seed(number)
            centre = torch.randn(3, _COLUMNS, generator=draw) * 0.9
            y = torch.multinomial(weights, rows, replacement=True, generator=draw)
            y[:5] = 2
            x = centre[y] + torch.randn(rows, _COLUMNS, generator=draw)
            true = torch.multinomial(torch.tensor([0.45, 0.45, 0.1]), 8000, replacement=True, generator=draw)
            test = centre[true] + torch.randn(8000, _COLUMNS, generator=draw)
            for arm, alpha in (("weighted", 1 / weights / (1 / weights).mean()), ("plain", None)):
                model = network(number, _COLUMNS, 3)
                fit(model, (x, y), SoftmaxFocalLoss(alpha), steps=steps, batch=_BATCH, seed=number)
                with torch.no_grad():
                    p = functional.softmax(model(test), 1)[:, 2]
                p = p.double() + 1e-12 * torch.rand(len(p), generator=draw)
                found.setdefault(f"{name} {arm}", []).append(
                    average_precision(p, (true == len(weights) - 1).long())
                )
    return found


def gains(draw: Draw, name: str) -> list[float]:
    """Return by seed what alpha gains."""
    of = rare_class(draw.seed, draw.smoke)
    return [a - b for a, b in zip(of[f"{name} weighted"], of[f"{name} plain"], strict=True)]


def _measure(draw: Draw) -> Figures:
    return {**mean("often", gains(draw, "often")), **mean("seldom", gains(draw, "seldom"))}


def _judge(f: Figures) -> Verdict:
    harm = below(f, "seldom", -0.01)
    return settle(
        (SHARPENED, (harm, below(f, "often", -0.01))),
        (CONFIRMED, (harm, above(f, "often", -0.02))),
        (CONTRADICTED, (above(f, "seldom", -0.02),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C14", "F-9"),
    document=(
        "Softmax focal with a weight for each class is unstable for a class seen in fewer than 1 of 20 "
        "batches."
    ),
    measure=_measure,
    tell=(
        "Inverse frequencies as alpha change the AP of the rare class by {seldom:+.3f} "
        "[{seldom_low:+.3f}, {seldom_high:+.3f}] where 1 of 20 batches holds it, and by {often:+.3f} "
        "[{often_low:+.3f}, {often_high:+.3f}] where nearly every batch does."
    ),
    judge=_judge,
)
