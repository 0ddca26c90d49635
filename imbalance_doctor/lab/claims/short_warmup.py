"""What a warm-up that is too short costs."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._warmed import gains, switches
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
    return {**mean("loss", gains(draw, "warm", "short")), **mean("at_switch", switches(draw, "short"))}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "at_switch", 0.3), above(f, "loss", 0.01))),
        (CONTRADICTED, (below(f, "at_switch", 0.3), below(f, "loss", 0.01))),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("WU-2",),
    document=(
        "Too short a warm-up leaves no meaningful order at the switch: warm up until AP is above about 0.3."
    ),
    measure=_measure,
    tell=(
        "Switching at an AP of {at_switch:.2f} costs {loss:+.3f} [{loss_low:+.3f}, {loss_high:+.3f}] AP "
        "in the end."
    ),
    judge=_judge,
)
