"""Whether weighted cross-entropy does what focal does."""

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
    real = paired(worlds, "focal", "wbce", lambda o, _: o.precision, lambda w: not w.made or draw.smoke)
    made = paired(worlds, "focal", "wbce", lambda o, _: o.precision, lambda w: w.made)
    return {**mean("more", real), **mean("made", made), "worlds": len(real)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "more", 0.01),)), (CONTRADICTED, (above(f, "more", 0.01),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("G-13",),
    document="Where class-weighted cross-entropy suffices focal is not needed.",
    measure=_measure,
    tell=(
        "Focal gains {more:+.3f} [{more_low:+.3f}, {more_high:+.3f}] AP over weighted cross-entropy on "
        "{worlds:.0f} real data sets, {made:+.3f} on made-up worlds."
    ),
    judge=_judge,
    data="htru2.npz",
)
