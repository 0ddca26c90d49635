"""Healthy models lie outside the stated range of hard rows."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import bank
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    OPEN,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)

__all__ = ["CLAIM"]

_LOW, _HIGH, _RARE = 0.05, 0.15, 0.05


def _measure(draw: Draw) -> Figures:
    worlds = [w for w in bank(draw) if w.prevalence <= _RARE or draw.smoke]
    return {**mean("hard", [1 - w.arms["bce"].accuracy for w in worlds]), "worlds": len(worlds)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "hard", _LOW), below(f, "hard", _HIGH))),
        (SHARPENED, (below(f, "hard", _LOW),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("M-3",),
    document="5 to 15 % of the rows are hard examples.",
    measure=_measure,
    tell=(
        "Of models trained by cross-entropy on at most 5 % positives {hard:.1%} [{hard_low:.1%}, "
        "{hard_high:.1%}] of the rows have p_t below one half ({worlds:.0f} worlds): the share follows "
        "the prevalence."
    ),
    judge=_judge,
)
