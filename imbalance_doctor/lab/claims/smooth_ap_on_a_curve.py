"""Where the rare class lies on a curve, Smooth-AP does outrank focal."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import bank, paired
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
    return mean("gain", paired(bank(draw), "smooth-ap", "focal", lambda o, _: o.precision, lambda w: w.made))


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("AP-1",),
    document="Smooth-AP is right when average precision is the objective.",
    measure=_measure,
    tell=(
        "On made-up worlds whose rare class lies on a curve it gains {gain:+.3f} [{gain_low:+.3f}, "
        "{gain_high:+.3f}] AP over focal at the same number of steps."
    ),
    judge=_judge,
)
