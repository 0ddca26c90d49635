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
    return {
        **mean("plain", plain),
        **mean("focal", focal),
        **mean("ranked", ranked),
        **mean("earlier", [r - f for r, f in zip(ranked, focal, strict=True)]),
        **mean("fifth", drops(draw, "focal", 0.2)),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "focal", 0.02), above(f, "earlier", 0))),
        (CONTRADICTED, (below(f, "focal", 0.02), below(f, "earlier", 0.02))),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C11", "U-1", "G-2"),
    document="More than 5 % wrong positives degrade focal losses, and ranking losses earlier still.",
    measure=_measure,
    tell=(
        "5 % false positives cost focal {focal:+.3f} [{focal_low:+.3f}, {focal_high:+.3f}] AP, "
        "cross-entropy {plain:+.3f} and Smooth-AP {ranked:+.3f}, which is {earlier:+.3f} "
        "[{earlier_low:+.3f}, {earlier_high:+.3f}] more than focal; 20 % cost focal {fifth:+.3f}."
    ),
    judge=_judge,
)
