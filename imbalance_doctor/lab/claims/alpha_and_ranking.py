"""alpha moves the threshold, not the ranking."""

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
    worlds = bank(draw)
    return {
        **mean("gain", paired(worlds, "focal-alpha", "focal", lambda o, _: o.precision)),
        **mean("recall", paired(worlds, "focal-alpha", "focal", lambda o, _: o.recall)),
        "worlds": len(worlds),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("C18", "G-16"),
    document="alpha by inverse class frequency does the real work under imbalance.",
    measure=_measure,
    tell=(
        "alpha = 1 - prevalence changes AP by {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] over "
        "{worlds:.0f} worlds, and recall at a probability of one half by {recall:+.2f}: it moves the "
        "threshold."
    ),
    judge=_judge,
)
