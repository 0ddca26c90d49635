"""Five per cent of wrong positives cost every loss about the same."""

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
    plain, focal, ranked = (drops(draw, arm, 0.05) for arm in ("bce", "focal", "smooth-ap"))
    worse = drops(draw, "focal", 0.2)
    return {
        **mean("plain", plain),
        **mean("focal", focal),
        **mean("more", [f - p for f, p in zip(focal, plain, strict=True)]),
        **mean("ranked", [r - p for r, p in zip(ranked, plain, strict=True)]),
        **mean("fifth", worse),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "more", 0.005), above(f, "ranked", 0.005))),
        (CONTRADICTED, (below(f, "more", 0.02), below(f, "ranked", 0.02))),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C11", "U-1", "G-2"),
    document="More than 5 % wrong positives degrade focal losses, and ranking losses earlier still.",
    measure=_measure,
    tell=(
        "5 % false positives cost cross-entropy {plain:.3f} AP; focal {more:+.3f} [{more_low:+.3f}, "
        "{more_high:+.3f}] and Smooth-AP {ranked:+.3f} [{ranked_low:+.3f}, {ranked_high:+.3f}] more than "
        "that; 20 % cost focal {fifth:.3f}."
    ),
    judge=_judge,
)
