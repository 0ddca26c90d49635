"""A fixed seed repeats a run and hides how much another would differ."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import spread
from imbalance_doctor.lab.claims._trained import Outcome, cost_of, fit, logits_of, network, world
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

_PREVALENCE = 0.05


def _measure(draw: Draw) -> Figures:
    rows = draw.size(4000, 1000)
    x, y = world(1000 * draw.seed, _PREVALENCE, 2 * rows)

    def end(number: int) -> float:
        model = network(number)
        fit(model, (x[:rows], y[:rows]), cost_of("focal", _PREVALENCE), steps=draw.size(300, 20), seed=number)
        return Outcome(logits_of(model, x[rows:]), y[rows:]).precision

    ends = [end(i) for i in range(draw.size(10, 3))]
    again = [end(i) for i in range(2)]
    return {**spread("apart", ends), "again": max(abs(a - b) for a, b in zip(again, ends, strict=False))}


def _judge(f: Figures) -> Verdict:
    repeats = below(f, "again", 1e-6)
    return settle(
        (SHARPENED, (repeats, above(f, "apart", 0.003))), (CONFIRMED, (repeats,)), otherwise=CONTRADICTED
    )


CLAIM = Claim(
    covers=("G-18",),
    document="High variance between runs: fix the seeds.",
    measure=_measure,
    tell=(
        "The same seed ends within {again:.0e} AP of itself; other seeds on the same rows scatter by "
        "{apart:.3f} [{apart_low:.3f}, {apart_high:.3f}], which a fixed seed hides."
    ),
    judge=_judge,
)
