"""Smooth-AP does not generally outrank focal."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean, proportion
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
    gains = paired(
        bank(draw), "smooth-ap", "focal", lambda o, _: o.precision, lambda w: not w.made or draw.smoke
    )
    return {
        **mean("gain", gains),
        **proportion("won", sum(g > 0 for g in gains), len(gains)),
        "worlds": len(gains),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01), above(f, "won", 0.5))),
        (CONTRADICTED, (below(f, "gain", 0.01),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C1", "F-7", "AP-1", "SL-5"),
    document="Smooth-AP will generally outperform focal where average precision is the objective.",
    measure=_measure,
    tell=(
        "It gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP over focal without alpha, and wins "
        "{won:.0%} [{won_low:.0%}, {won_high:.0%}] of {worlds:.0f} real data sets."
    ),
    judge=_judge,
    data="htru2.npz",
)
