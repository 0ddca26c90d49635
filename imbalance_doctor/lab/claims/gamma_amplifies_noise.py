"""A gamma above 3 hardly adds to what wrong labels cost."""

from __future__ import annotations

from imbalance_doctor.lab.claims._noisy import drops
from imbalance_doctor.lab.claims._stats import mean
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
    high, usual = drops(draw, "focal5", 0.2), drops(draw, "focal", 0.2)
    return {
        **mean("high", high),
        **mean("usual", usual),
        **mean("more", [h - u for h, u in zip(high, usual, strict=True)]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "more", 0.02),)), (CONTRADICTED, (below(f, "more", 0.02),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("C12", "F-6"),
    document="A gamma above 3 amplifies label noise.",
    measure=_measure,
    tell=(
        "20 % false positives cost {high:.3f} AP at gamma 5 and {usual:.3f} at gamma 2: {more:+.3f} "
        "[{more_low:+.3f}, {more_high:+.3f}]."
    ),
    judge=_judge,
)
