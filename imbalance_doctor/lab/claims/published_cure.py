"""810 published runs: the smoothed form never ended in NaN."""

from __future__ import annotations

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
from imbalance_doctor.lab.claims.published_runs import read_runs, share_of_nan

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    return share_of_nan("fixed", [r for r in read_runs(draw) if r["kind"] == "Fixed"])


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "fixed", 0.02),)), (CONTRADICTED, (above(f, "fixed", 0.02),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("ST-2",),
    document="A smoothed form with an epsilon of 0.001 inside the factor cures it.",
    measure=_measure,
    tell="{fixed:.0%} [0 %, {fixed_high:.1%}] of {fixed_runs:.0f} published runs with it ended in NaN.",
    judge=_judge,
    data="focal_instability_runs.csv",
)
