"""A pretrained model needs no warm-up."""

from __future__ import annotations

import copy

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import Outcome, cost_of, fit, logits_of, network, world
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)

__all__ = ["CLAIM"]

_PREVALENCE, _CURVE = 0.05, 0.3


def _measure(draw: Draw) -> Figures:
    rows, steps = draw.size(8000, 1500), draw.size(300, 20)
    gains = []
    for i in range(draw.size(6, 2)):
        number = 1000 * draw.seed + 900 + i
        x, y = world(number, _PREVALENCE, 2 * rows, _CURVE)
        own = (x[:rows], y[:rows])
        trained = network(number)
        fit(trained, own, cost_of("bce", _PREVALENCE), steps=2 * steps, seed=number)
        ends = []
        for warm in (steps // 4, 0):
            model = copy.deepcopy(trained)
            if warm:
                fit(model, own, cost_of("bce", _PREVALENCE), steps=warm, seed=number + 1)
            fit(model, own, cost_of("smooth-ap", _PREVALENCE), steps=steps - warm, seed=number + 2)
            ends.append(Outcome(logits_of(model, x[rows:]), y[rows:]).precision)
        gains.append(ends[0] - ends[1])
    return mean("gain", gains)


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "gain", 0.01),)), (CONTRADICTED, (above(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("WU-4",),
    document="From a pretrained model skip the warm-up.",
    measure=_measure,
    tell=(
        "A quarter of the fine-tuning as warm-up gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP "
        "over none."
    ),
    judge=_judge,
)
