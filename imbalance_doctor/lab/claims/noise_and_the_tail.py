"""Wrong labels do not show as a heavier tail of the focal loss."""

from __future__ import annotations

from imbalance_doctor.lab.claims._noisy import noisy
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

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    tails = [(of["focal", 0.0].tail, of["focal", 0.2].tail) for of in noisy(draw)]
    return {
        **mean("clean", [a for a, _ in tails]),
        **mean("noisy", [b for _, b in tails]),
        **mean("heavier", [b / a for a, b in tails]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "heavier", 1.1),)), (CONTRADICTED, (below(f, "heavier", 1.1),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("M-4",),
    document="A heavy tail of the focal losses (50th, 90th, 99th percentile) points at noise.",
    measure=_measure,
    tell=(
        "The 99th percentile over the mean is {clean:.1f} with true labels and {noisy:.1f} with 20 % "
        "false positives: {heavier:.2f} [{heavier_low:.2f}, {heavier_high:.2f}] times."
    ),
    judge=_judge,
)
