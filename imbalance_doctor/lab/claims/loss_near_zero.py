"""No score scale brings the loss of a poor ranking near zero."""

from __future__ import annotations

import torch

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
from imbalance_doctor.replay.symptoms._parts import average_precision, binary, slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    rows = binary(draw.size(4000, 1000), 0.05, seed=draw.seed)
    costs = [
        slope(SmoothAPLoss(1, 0, 0.01), Rows(s * rows.scores, rows.targets))[0]
        for s in (1e-4, 0.01, 1, 100, 1e4)
    ]
    none = slope(SmoothAPLoss(1, 0, 0.01), Rows(rows.scores, torch.zeros_like(rows.targets)))[0]
    return {
        "precision": average_precision(rows.scores, rows.targets),
        "least": min(costs),
        "most": max(costs),
        "invalid": none,
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "least", 0.05),)),
        (CONTRADICTED, (above(f, "least", 0.3), below(f, "invalid", 1e-6))),
        otherwise=SHARPENED,
    )


CLAIM = Claim(
    covers=("C17", "DX-13"),
    document="A loss near zero with poor metrics means that the score scale does not match the temperature.",
    measure=_measure,
    tell=(
        "At an average precision of {precision:.2f} the loss lies between {least:.2f} and {most:.2f} for "
        "score scales over eight decades; it is {invalid:.1f} where the pool has no positive."
    ),
    judge=_judge,
)
