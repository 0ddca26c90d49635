"""What a warm-up that fills the run costs."""

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
    return mean("loss", gains(draw, "warm", "long"))


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "loss", 0.01),)), (CONTRADICTED, (below(f, "loss", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("WU-3",),
    document="Too long a warm-up lets the model settle on calibrated probabilities.",
    measure=_measure,
    tell=(
        "Nine tenths of the run as warm-up cost {loss:+.3f} [{loss_low:+.3f}, {loss_high:+.3f}] AP "
        "against a quarter."
    ),
    judge=_judge,
)
