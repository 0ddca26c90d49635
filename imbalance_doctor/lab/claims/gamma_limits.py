"""The gradient of the plain focal loss ends at a logit that the dtype sets."""

from __future__ import annotations

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
from imbalance_doctor.replay.symptoms._parts import grid
from imbalance_doctor.replay.symptoms.focal_gradient_not_finite import _DTYPES, _first

__all__ = ["CLAIM"]

_FRACTIONS, _STABLE = (0.25, 0.5, 0.75), (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
_LARGEST = 100.0


def _measure(draw: Draw) -> Figures:
    rows = grid()
    gammas = _FRACTIONS[1:2] if draw.smoke else _FRACTIONS
    found: dict[str, float] = {}
    for name, dtype in _DTYPES.items():
        firsts = [min(_LARGEST, _first(rows, dtype, gamma, "plain")) for gamma in gammas]
        found[name], found[f"{name}_last"] = min(firsts), max(firsts)
    stable = _STABLE[:3] if draw.smoke else _STABLE
    found["stable"] = min(
        min(_LARGEST, _first(rows, dtype, gamma, "plain")) for gamma in stable for dtype in _DTYPES.values()
    )
    return found


def _judge(f: Figures) -> Verdict:
    fails = tuple(below(f, f"{name}_last", 50) for name in _DTYPES)
    return settle(
        (CONTRADICTED, (below(f, "stable", 50),)),
        (SHARPENED, (*fails, above({"x": f["fp64"] / f["bf16"]}, "x", 1.5))),
        (CONFIRMED, fails),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("C13", "ST-1"),
    document=(
        "For gamma between 0 and 1 the gradient diverges as p_t nears 1; 0, 1, 2, 3, 4 and 5 are stable."
    ),
    measure=_measure,
    tell=(
        "The first logit without a finite gradient is {fp64:.2f} in fp64, {fp32:.2f} in fp32, {fp16:.2f} "
        "in fp16 and {bf16:.2f} in bf16, for every such gamma; for 0 to 5 there is none up to "
        "{stable:.0f}."
    ),
    judge=_judge,
)
