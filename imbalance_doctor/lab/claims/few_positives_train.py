"""A pool with one or two positives has a gradient of use."""

from __future__ import annotations

from imbalance_doctor.lab.claims._direction import Directions
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
    world = Directions(draw)
    pools = draw.size(80, 3)
    return {
        **mean("one", world.cosines(1, 0.1, pools)),
        **mean("two", world.cosines(2, 0.1, pools)),
        **mean("five", world.cosines(5, 0.1, pools)),
        **mean("twenty", world.cosines(20, 0.1, pools)),
        **mean("averaged", world.averaged(5, 0.1, 30, draw.size(5, 2))),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONTRADICTED, (above(f, "one", 0.05), above(f, "two", 0.1), above(f, "averaged", 0.7))),
        (CONFIRMED, (below(f, "two", 0.1),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C21", "AP-3"),
    document="One or two positives in the pool give essentially no gradient signal; below five it is noise.",
    measure=_measure,
    tell=(
        "The gradient of one pool agrees with that of everything by {one:.2f} with 1 positive, {two:.2f} "
        "[{two_low:.2f}, {two_high:.2f}] with 2, {five:.2f} with 5, {twenty:.2f} with 20; the mean over "
        "30 pools of 5 by {averaged:.2f}."
    ),
    judge=_judge,
)
