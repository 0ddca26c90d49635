"""Soft ranks become ranks as the temperature falls."""

from __future__ import annotations

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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import average_precision, binary, slope

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    rows = binary(draw.size(4000, 1000), 0.05, seed=draw.seed)
    hard = 1 - average_precision(rows.scores, rows.targets)
    errors = [abs(slope(SmoothAPLoss(1, 0, t), rows)[0] - hard) for t in (1.0, 0.1, 0.001)]
    return {
        "far": errors[0],
        "near": errors[1],
        "limit": errors[2],
        "falls": float(errors[0] > errors[1] > errors[2]),
    }


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (above(f, "falls", 0.5), below(f, "limit", 0.01))), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("OV-3",),
    document="The soft rank approaches the true rank as the temperature falls.",
    measure=_measure,
    tell=(
        "Smooth-AP is off 1 - AP by {far:.3f}, {near:.4f} and {limit:.5f} at temperatures of 1, 0.1 and "
        "0.001."
    ),
    judge=_judge,
)
