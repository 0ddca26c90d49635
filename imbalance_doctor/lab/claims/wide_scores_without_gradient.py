"""Wide scores leave Recall-at-Quantile without gradient, long before logits of 50."""

from __future__ import annotations

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
from imbalance_doctor.losses import RecallAtQuantileLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]

_DEAD = 1e-8


def _measure(draw: Draw) -> Figures:
    found = {}
    for name, spread in (("tiny", 0.05), ("usual", 2.0), ("wide", 20.0)):
        rows = binary(draw.size(8000, 1000), 0.02, spread=spread, seed=draw.seed)
        _, gradient = slope(RecallAtQuantileLoss(1, 0.05, 0, anchor=False), rows)
        found[name] = float((gradient[rows.targets == 1].abs() < _DEAD).double().mean())
    return found


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "usual", 0.5), above(f, "wide", 0.9))),
        (SHARPENED, (above(f, "usual", 0.5), above(f, "wide", 0.9))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("RQ-9",),
    document="Logits of +-50 instead of +-5 leave almost no positive with a gradient.",
    measure=_measure,
    tell=(
        "At the default temperature {wide:.0%} of the positives have none at logits to +-50, and "
        "{usual:.0%} at +-5 already; {tiny:.0%} at +-0.1."
    ),
    judge=_judge,
)
