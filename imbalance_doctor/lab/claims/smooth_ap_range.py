"""The range of prevalences that Smooth-AP is said to fit is not seen."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import MILD, RARE, bank, paired
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
    found: dict[str, float] = {}
    for name, prevalence in (("inside", RARE), ("outside", MILD)):
        gains = paired(
            worlds,
            "smooth-ap",
            "focal",
            lambda o, _: o.precision,
            lambda w, p=prevalence: w.made and (w.prevalence == p or draw.smoke),  # type: ignore[misc]
        )
        found.update(mean(name, gains))
    return found


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "inside", 0.01), below(f, "outside", 0.01))),
        (CONTRADICTED, (below(f, "inside", 0.01),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("AP-2",),
    document="Smooth-AP fits 0.1 % to 20 % positives; above, focal does as well.",
    measure=_measure,
    tell=(
        "Over focal it gains {inside:+.3f} [{inside_low:+.3f}, {inside_high:+.3f}] AP at 2 % positives "
        "and {outside:+.3f} [{outside_low:+.3f}, {outside_high:+.3f}] at 30 %."
    ),
    judge=_judge,
)
