"""The default queue does not meet the library's own rule."""

from __future__ import annotations

import inspect

from imbalance_doctor.lab.claims._stats import spread
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    settle,
)
from imbalance_doctor.lab.claims.quantile_floor import swing
from imbalance_doctor.losses import RecallAtQuantileLoss

__all__ = ["CLAIM"]

_BATCH = 256


def _measure(draw: Draw) -> Figures:
    given = inspect.signature(RecallAtQuantileLoss).parameters
    held = (given["queue_size"].default + _BATCH) * given["quantile"].default
    return {"held": held, **spread("swing", swing(draw, held, given["quantile"].default))}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "held", 10),)), (CONTRADICTED, (above(f, "swing", 0.25),)), otherwise=SHARPENED
    )


CLAIM = Claim(
    covers=("C6", "PA-3"),
    document=(
        "The default queue of 1024 and a batch of 32 to 256 comfortably hold what q or beta = 0.005 needs."
    ),
    measure=_measure,
    tell=(
        "M * q is {held:.1f} with a batch of 256, where the same page asks for 10; the share really taken "
        "swings by {swing:.0%} [{swing_low:.0%}, {swing_high:.0%}]."
    ),
    judge=_judge,
)
