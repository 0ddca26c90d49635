"""The smoothed focal form is finite in every dtype."""

from __future__ import annotations

import math

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    Claim,
    Draw,
    Figures,
    Verdict,
    below,
    settle,
)
from imbalance_doctor.replay.symptoms._parts import grid
from imbalance_doctor.replay.symptoms.focal_gradient_not_finite import _DTYPES, _first

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    rows = grid()
    gammas = (0.5,) if draw.smoke else (0.25, 0.5, 0.75)
    firsts = [
        _first(rows, dtype, g, form)
        for g in gammas
        for dtype in _DTYPES.values()
        for form in ("epsilon", "bundled")
    ]
    return {"failures": sum(first < math.inf for first in firsts), "tried": len(firsts)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (below(f, "failures", 1),)), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("ST-2",),
    document="The smoothed form, with an epsilon of 0.001 in the note, is stable.",
    measure=_measure,
    tell=(
        "{failures:.0f} of {tried:.0f} gradients over logits to 100 are not finite, over four dtypes, "
        "fractional gammas and two stable forms."
    ),
    judge=_judge,
)
