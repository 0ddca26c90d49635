"""alpha for rare classes does not raise their average precision."""

from __future__ import annotations

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
from imbalance_doctor.lab.claims.class_gap import gains

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    return mean("gain", gains(draw, "often"))


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("SL-3",),
    document="Multiclass with rare classes: take softmax focal with alpha.",
    measure=_measure,
    tell=(
        "Inverse frequencies as alpha gain {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP of a class "
        "of 10 %."
    ),
    judge=_judge,
)
