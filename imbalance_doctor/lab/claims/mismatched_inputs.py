"""Inputs prepared otherwise show as metrics that disagree."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import Outcome, cost_of, fit, logits_of, network, world
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
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

_PREVALENCE = 0.1


def _measure(draw: Draw) -> Figures:
    rows = draw.size(6000, 1000)
    right, wrong = [], []
    for i in range(draw.size(5, 2)):
        number = 1000 * draw.seed + i
        x, y = world(number, _PREVALENCE, 2 * rows)
        model = network(number)
        fit(model, (x[:rows], y[:rows]), cost_of("bce", _PREVALENCE), steps=draw.size(250, 20), seed=number)
        own = Outcome(logits_of(model, x[:rows]), y[:rows]).precision
        right.append(own - Outcome(logits_of(model, x[rows:]), y[rows:]).precision)
        wrong.append(own - Outcome(logits_of(model, x[rows:].flip(1)), y[rows:]).precision)
    return {**mean("right", right), **mean("wrong", wrong)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (above(f, "wrong", 0.1), below(f, "right", 0.1))), otherwise=OPEN)


CLAIM = Claim(
    covers=("G-17",),
    document="A mismatch of preprocessing between training and validation shows as metrics that disagree.",
    measure=_measure,
    tell=(
        "Training AP is {wrong:.2f} [{wrong_low:.2f}, {wrong_high:.2f}] above validation AP with columns "
        "in another order, {right:.2f} with the same."
    ),
    judge=_judge,
)
