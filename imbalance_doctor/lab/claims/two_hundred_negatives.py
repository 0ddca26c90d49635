"""200 negatives for a band of 50 basis points are one negative."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean, spread
from imbalance_doctor.lab.claims.band_too_wide import inflation
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
    least, ample = inflation(draw, 200), inflation(draw, 20_000 if not draw.smoke else 2000)
    return {**mean("width", least), **spread("swing", least), **spread("ample", ample)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "swing", 0.33),)),
        (SHARPENED, (above(f, "swing", 0.33), below(f, "width", 1.3))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("PA-3", "OV-4"),
    document="A band of 50 basis points needs about 1 / beta = 200 negatives.",
    measure=_measure,
    tell=(
        "With 200 the band is {width:.2f} times as wide as asked on average but swings by {swing:.0%} "
        "[{swing_low:.0%}, {swing_high:.0%}], for one negative is in it; with 20,000 by {ample:.0%}."
    ),
    judge=_judge,
)
