"""How a class that is seldom seen fares with a large weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import Rows, fit, network
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

__all__ = ["CLAIM", "gains"]

_BATCH, _COLUMNS = 32, 6
_SHARES = {"often": 0.1, "sometimes": 0.006, "seldom": 0.0016}
"""Of the rare class; all batches hold it, 1 of 6, and 1 of 20."""


@dataclass(frozen=True, slots=True)
class Trained:
    """One training: average precision of the rare class, and scatter of the late loss over its mean."""

    precision: float
    roughness: float


@cache
def _trained(seed: int, smoke: bool) -> dict[str, list[tuple[Trained, Trained]]]:
    """Return by share of the rare class, for each seed, training with and without alpha."""
    rows, steps, times = (3000, 40, 2) if smoke else (20_000, 500, 5)
    found: dict[str, list[tuple[Trained, Trained]]] = {}
    for name, share in _SHARES.items():
        weights = torch.tensor([(1 - share) / 2, (1 - share) / 2, share])
        alpha = 1 / weights / (1 / weights).mean()
        for i in range(times):
            number = 1000 * seed + i
            draw = torch.Generator().manual_seed(number)
            centre = torch.randn(3, _COLUMNS, generator=draw) * 0.9
            y = torch.multinomial(weights, rows, replacement=True, generator=draw)
            y[:5] = 2
            x = centre[y] + torch.randn(rows, _COLUMNS, generator=draw)
            true = torch.multinomial(torch.tensor([0.45, 0.45, 0.1]), 8000, replacement=True, generator=draw)
            test = (centre[true] + torch.randn(8000, _COLUMNS, generator=draw), true)
            found.setdefault(name, []).append(
                (_run((x, y), test, alpha, number, steps), _run((x, y), test, None, number, steps))
            )
    return found


def _run(rows: Rows, test: Rows, alpha: Tensor | None, number: int, steps: int) -> Trained:
    model = network(number, _COLUMNS, 3)
    course: list[float] = []
    fit(
        model,
        rows,
        SoftmaxFocalLoss(alpha),
        steps=steps,
        batch=_BATCH,
        seed=number,
        each=lambda _, loss: course.append(loss),
    )
    with torch.no_grad():
        p = functional.softmax(model(test[0]), 1)[:, 2].double()
    p = p + 1e-12 * torch.rand(len(p), generator=torch.Generator().manual_seed(number))
    late = np.asarray(course[steps // 2 :])
    return Trained(average_precision(p, test[1] // 2), float(late.std() / late.mean()))


def gains(draw: Draw, name: str) -> list[float]:
    """Return by seed what alpha gains in average precision."""
    return [a.precision - b.precision for a, b in _trained(draw.seed, draw.smoke)[name]]


def _measure(draw: Draw) -> Figures:
    found: dict[str, float] = {}
    for name in _SHARES:
        pairs = _trained(draw.seed, draw.smoke)[name]
        found.update(mean(name, [math.log(a.roughness / b.roughness) for a, b in pairs]))
        found[f"{name}_times"] = math.exp(found[name])
    return {**found, **mean("gain", gains(draw, "seldom"))}


def _judge(f: Figures) -> Verdict:
    twice = math.log(2)
    rough = (above(f, "seldom", twice), below(f, "often", twice))
    return settle(
        (SHARPENED, (*rough, above(f, "sometimes", twice))),
        (CONFIRMED, (*rough, below(f, "sometimes", twice))),
        (CONTRADICTED, (below(f, "seldom", twice),)),
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
        "Inverse frequencies as alpha make the loss {often_times:.1f} times as rough where all batches "
        "hold the rare class, {sometimes_times:.1f} times where 1 of 6 does, {seldom_times:.1f} times "
        "where 1 of 20 does: no cliff. There its AP changes by {gain:+.2f} [{gain_low:+.2f}, "
        "{gain_high:+.2f}]."
    ),
    judge=_judge,
)
