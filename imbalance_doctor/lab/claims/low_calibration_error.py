"""A low calibration error is no feat where positives are rare."""

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

_RARE = 0.05


def _measure(draw: Draw) -> Figures:
    rare = [
        float(w.arms["bce"].targets.double().mean())
        for w in bank(draw)
        if w.prevalence <= _RARE or draw.smoke
    ]
    return mean("never", rare)


def _judge(f: Figures) -> Verdict:
    return settle(
        (SHARPENED, (below(f, "never", 0.05),)), (CONFIRMED, (above(f, "never", 0.05),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("M-5",),
    document="A low single-digit ECE is good.",
    measure=_measure,
    tell=(
        "With at most 5 % positives the constant answer 'never' has an ECE of {never:.1%} "
        "[{never_low:.1%}, {never_high:.1%}], the prevalence itself: compare with it."
    ),
    judge=_judge,
)
