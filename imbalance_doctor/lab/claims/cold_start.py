"""What a warm-up gains for Smooth-AP."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._warmed import gains
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


def _measure(draw: Draw) -> Figures:
    return mean("gain", gains(draw, "warm", "cold"))


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("WU-1", "SL-8"),
    document="From random initialisation a ranking loss needs a warm-up.",
    measure=_measure,
    tell=(
        "A quarter of the run as warm-up gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP over a "
        "cold start of the same length."
    ),
    judge=_judge,
)
