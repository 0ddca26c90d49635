"""What a temperature that falls early costs."""

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
    return mean("loss", gains(draw, "warm", "fast"))


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "loss", 0.01),)), (CONTRADICTED, (below(f, "loss", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("WU-5",),
    document="The last temperature should not be reached before 50 to 75 % of the main phase.",
    measure=_measure,
    tell=(
        "Reaching it after a tenth instead of half costs {loss:+.3f} [{loss_low:+.3f}, {loss_high:+.3f}] AP."
    ),
    judge=_judge,
)
