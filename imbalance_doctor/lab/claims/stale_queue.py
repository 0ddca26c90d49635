"""A queue that lags behind hardly turns the gradient, but shifts the loss."""

from __future__ import annotations

import copy

import torch
from torch import nn

from imbalance_doctor.lab.claims._stats import cosine, mean
from imbalance_doctor.lab.claims._trained import cost_of, fit, logits_of, network, world
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

__all__ = ["CLAIM"]

_QUEUE, _BATCH, _PREVALENCE = 1024, 64, 0.1


def _aged(number: int, rate: float, before: int, age: int) -> tuple[float, float]:
    """Return the cosine of gradients against a stale and a fresh queue, and the difference of losses."""
    x, y = world(number, _PREVALENCE, 8000)
    model = network(number)
    cost = cost_of("smooth-ap", _PREVALENCE)
    fit(model, (x, y), cost, steps=before, rate=rate, seed=number)
    old = copy.deepcopy(model)
    fit(model, (x, y), cost, steps=age, rate=rate, seed=number + 1)

    def step(stored: nn.Module) -> tuple[float, torch.Tensor]:
        loss = SmoothAPLoss(1, _QUEUE, 0.3)
        loss(logits_of(stored, x[:_QUEUE])[:, None], y[:_QUEUE])
        own = model(x[_QUEUE : _QUEUE + _BATCH])
        value = loss(own, y[_QUEUE : _QUEUE + _BATCH])
        return value.item(), torch.autograd.grad(value, own)[0]

    (stale, one), (fresh, other) = step(old), step(model)
    return cosine(one.numpy(), other.numpy()), stale - fresh


def _measure(draw: Draw) -> Figures:
    times = draw.size(8, 2)
    numbers = [1000 * draw.seed + i for i in range(times)]
    before, age = draw.size(200, 10), draw.size(16, 4)
    steady = [_aged(n, 1e-3, before, age) for n in numbers]
    early = [_aged(n, 1e-2, 10, age) for n in numbers]
    return {
        **mean("steady", [c for c, _ in steady]),
        **mean("steady_shift", [d for _, d in steady]),
        **mean("early", [c for c, _ in early]),
        **mean("early_shift", [d for _, d in early]),
    }


def _judge(f: Figures) -> Verdict:
    sound = above(f, "steady", 0.9)
    return settle(
        (SHARPENED, (sound, above(f, "early_shift", 0.02))),
        (CONFIRMED, (sound, below(f, "early_shift", 0.02))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("C22", "U-3"),
    document="Scores drift slowly against the turnover of the queue, so its staleness costs little.",
    measure=_measure,
    tell=(
        "In steady training a queue 16 steps old leaves the gradient at a cosine of {steady:.2f} and the "
        "loss {steady_shift:+.3f} off; early at ten times the rate {early:.2f} and {early_shift:+.3f} "
        "[{early_shift_low:+.3f}, {early_shift_high:+.3f}]: the gradient bears it, the printed loss does "
        "not."
    ),
    judge=_judge,
)
