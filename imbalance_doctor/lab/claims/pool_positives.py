"""How many positives a pool needs depends on the prevalence, and there is no cliff."""

from __future__ import annotations

from imbalance_doctor.lab.claims._pools import pool_precisions
from imbalance_doctor.lab.claims._stats import ratio, spread
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


def _measure(draw: Draw) -> Figures:
    pools = draw.size(300, 8)
    at = {
        (p, share): pool_precisions(draw, p, share, pools)
        for p, share in ((4, 0.01), (6, 0.01), (10, 0.01), (10, 0.1), (50, 0.01))
    }
    return {
        **{
            k: v
            for p in (4, 6, 10, 50)
            for k, v in spread(f"at_{p}", at[p, 0.01], _mean(at[p, 0.01])).items()
        },
        **spread("common", at[10, 0.1], _mean(at[10, 0.1])),
        **ratio("depends", at[10, 0.01], at[10, 0.1]),
        **ratio("cliff", at[4, 0.01], at[6, 0.01]),
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _judge(f: Figures) -> Verdict:
    cliff = 1.22 * 1.5  # 4 positives against 6 would give the square root of 1.5 without one
    return settle(
        (CONFIRMED, (above(f, "cliff", cliff),)),
        (SHARPENED, (above(f, "depends", 1.2), below(f, "cliff", cliff))),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C7", "AP-3"),
    document="The pool must hold 10 to 20 positives: 10 gives a high variance, under 5 is noise.",
    measure=_measure,
    tell=(
        "The average precision of a pool with 10 positives varies by {common:.0%} of itself at 10 % "
        "positives and {at_10:.0%} at 1 % ({depends:.1f} [{depends_low:.1f}, {depends_high:.1f}] times); "
        "at 1 % by {at_4:.0%} with 4, {at_6:.0%} with 6, {at_50:.0%} with 50: no cliff at 5."
    ),
    judge=_judge,
)
