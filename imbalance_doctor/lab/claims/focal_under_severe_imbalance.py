"""What focal gains over cross-entropy where positives are rare."""

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

_RARE = 0.1


def _measure(draw: Draw) -> Figures:
    worlds = bank(draw)
    gains = paired(worlds, "focal", "bce", lambda o, _: o.precision, lambda w: w.prevalence <= _RARE)
    return {**mean("gain", gains), "worlds": len(gains)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("F-1", "G-1"),
    document="Focal is made for moderate to severe imbalance: above 90 % majority, consider it.",
    measure=_measure,
    tell=(
        "Without alpha it gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP over cross-entropy in "
        "{worlds:.0f} worlds with at most 10 % positives."
    ),
    judge=_judge,
)
