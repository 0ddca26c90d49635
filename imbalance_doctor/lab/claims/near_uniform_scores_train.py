"""Near-uniform scores give Smooth-AP a sound gradient."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._direction import Directions
from imbalance_doctor.lab.claims._stats import mean
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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]

_POSITIVES, _ROWS = 64, 1280


def _measure(draw: Draw) -> Figures:
    right = []
    for i in range(draw.size(10, 2)):
        scores = torch.randn(_ROWS, generator=draw.generator(i))
        targets = (torch.arange(_ROWS) < _POSITIVES).long()
        _, gradient = slope(SmoothAPLoss(1, 0, 30 * float(scores.std())), Rows(scores, targets))
        right.append(float(((gradient < 0) == (targets == 1)).double().mean()))
    world = Directions(draw)
    pools = draw.size(40, 3)
    return {
        "right": sum(right) / len(right),
        **mean("uniform", world.cosines(20, 10.0, pools)),
        **mean("fitting", world.cosines(20, 0.1, pools)),
        **mean("low", world.cosines(20, 0.001, pools)),
    }


def _judge(f: Figures) -> Verdict:
    vanishes = (below(f, "uniform", 0.1),)
    return settle(
        (CONTRADICTED, (above(f, "uniform", 0.3), above(f, "right", 0.95))),
        (CONFIRMED, vanishes),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C3", "AP-9"),
    document="From near-uniform scores the soft ranks carry no order: gradients vanish, or are noise.",
    measure=_measure,
    tell=(
        "At a temperature of 30 spreads {right:.0%} of the rows are pushed the right way; the gradient of "
        "one pool agrees with that of everything by {uniform:.2f} [{uniform_low:.2f}, {uniform_high:.2f}] "
        "(cosine) at 10 spreads, {fitting:.2f} at 0.1, {low:.2f} at 0.001."
    ),
    judge=_judge,
)
