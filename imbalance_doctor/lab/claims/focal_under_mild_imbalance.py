"""What focal gains over cross-entropy where the imbalance is mild."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import MILD, bank, paired
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
    return mean(
        "gain",
        paired(
            bank(draw),
            "focal",
            "bce",
            lambda o, _: o.precision,
            lambda w: w.made and (w.prevalence == MILD or draw.smoke),
        ),
    )


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "gain", 0.01),)), (CONTRADICTED, (below(f, "gain", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("F-4", "SL-1"),
    document="Focal serves under mild imbalance too, where weights alone are not enough.",
    measure=_measure,
    tell="At 30 % positives it gains {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP over cross-entropy.",
    judge=_judge,
)
