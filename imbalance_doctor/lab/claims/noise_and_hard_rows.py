"""Wrong labels raise the share of hard rows from the start; it does not go on rising."""

from __future__ import annotations

from imbalance_doctor.lab.claims._noisy import noisy
from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
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
    worlds = noisy(draw)
    return {
        **mean("rise", [of["focal", 0.2].hard_after - of["focal", 0.2].hard_before for of in worlds]),
        **mean("more", [of["focal", 0.2].hard_after - of["focal", 0.0].hard_after for of in worlds]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "rise", 0), above(f, "more", 0))),
        (SHARPENED, (below(f, "rise", 0.002), above(f, "more", 0.002))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("G-8",),
    document="Overfitting to wrong labels shows as a rising count of hard examples.",
    measure=_measure,
    tell=(
        "With 20 % false positives the share of hard rows is {more:+.2%} [{more_low:+.2%}, "
        "{more_high:+.2%}] higher than without, but over the second half of the training it changes by "
        "{rise:+.2%}."
    ),
    judge=_judge,
)
