"""Networks trained on positives of which some are false: what claims about wrong labels compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch

from imbalance_doctor.lab.claims._trained import Outcome, cost_of, fit, logits_of, network, world
from imbalance_doctor.lab.claims.base import Draw
from imbalance_doctor.losses import sigmoid_focal

__all__ = ["LEVELS", "Noisy", "drops", "noisy"]

ARMS = ("bce", "focal", "focal5", "smooth-ap")
LEVELS = (0.0, 0.05, 0.2)
"""Shares of false ones among the labelled positives."""
_PREVALENCE, _CURVE = 0.05, 0.3


@dataclass(frozen=True, slots=True)
class Noisy:
    """One training on wrong labels.

    Attributes
    ----------
    outcome
        On rows with true labels.
    tail
        99th percentile of the focal loss of the training rows over its mean.
    hard_before, hard_after
        Share of training rows with p_t below one half, halfway and at the end.
    """

    outcome: Outcome
    tail: float
    hard_before: float
    hard_after: float


def noisy(draw: Draw) -> tuple[Mapping[tuple[str, float], Noisy], ...]:
    """Train each arm at each level of noise, once for all claims that ask; by seed, then arm and level."""
    return _noisy(draw.seed, draw.smoke)


@cache
def _noisy(seed: int, smoke: bool) -> tuple[Mapping[tuple[str, float], Noisy], ...]:
    rows, steps, times = (1500, 30, 2) if smoke else (8000, 400, 6)
    found = []
    for i in range(times):
        number = 1000 * seed + 500 + i
        x, y = world(number, _PREVALENCE, 2 * rows, _CURVE)
        draw = torch.Generator().manual_seed(number)
        order = (y[:rows] == 0).nonzero()[:, 0]
        order = order[torch.randperm(len(order), generator=draw)]
        right = int(y[:rows].sum())
        of = {}
        for level in LEVELS:
            labels = y[:rows].clone()
            labels[order[: round(right * level / (1 - level))]] = 1
            for arm in ARMS:
                model = network(number)
                hard = []
                for half in range(2):
                    fit(
                        model,
                        (x[:rows], labels),
                        cost_of(arm, _PREVALENCE),
                        steps=steps // 2,
                        seed=number + half,
                    )
                    own = logits_of(model, x[:rows])
                    hard.append(float(((own > 0).long() != labels).double().mean()))
                each = sigmoid_focal(own, labels, alpha=-1, gamma=2.0, reduction="none")
                of[arm, level] = Noisy(
                    Outcome(logits_of(model, x[rows:]), y[rows:]),
                    float(each.quantile(0.99) / each.mean()),
                    *hard,
                )
        found.append(of)
    return tuple(found)


def drops(draw: Draw, arm: str, level: float) -> list[float]:
    """Return by seed what this share of false positives costs in average precision."""
    return [of[arm, 0.0].outcome.precision - of[arm, level].outcome.precision for of in noisy(draw)]
