"""A pool of 2000 to 4000 rows at 0.5 % positives still swings."""

from __future__ import annotations

from imbalance_doctor.lab.claims._pools import pool_precisions
from imbalance_doctor.lab.claims._stats import spread
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    below,
    settle,
)

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    pools = draw.size(250, 8)
    small, large = (pool_precisions(draw, p, 0.005, pools) for p in (10, 20))
    return {
        **spread("small", small, sum(small) / len(small)),
        **spread("large", large, sum(large) / len(large)),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "large", 0.2),)), (SHARPENED, (below(f, "large", 1),)), otherwise=CONTRADICTED
    )


CLAIM = Claim(
    covers=("AP-5",),
    document="At 0.5 % positives the pool needs about 2000 to 4000 rows, or average precision oscillates.",
    measure=_measure,
    tell=(
        "It varies by {small:.0%} of itself with 2000 rows and {large:.0%} [{large_low:.0%}, "
        "{large_high:.0%}] with 4000: less, but still much."
    ),
    judge=_judge,
)
