"""Runs that end in NaN for their gamma show no spike before."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import proportion
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    OPEN,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)
from imbalance_doctor.lab.claims.published_runs import read_runs

__all__ = ["CLAIM"]

_CALM = 2.0


def _measure(draw: Draw) -> Figures:
    ended = [r for r in read_runs(draw) if r["kind"] != "Fixed" and float(r["nan"]) > 0]
    calm = sum(float(r["last"]) < _CALM * float(r["minl"]) for r in ended)
    return {**proportion("calm", calm, len(ended)), "runs": len(ended)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "calm", 0.1),)), (SHARPENED, (above(f, "calm", 0.5),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("G-9",),
    document="Instability of training shows as loss spikes and loss variance, before checkpoints fail.",
    measure=_measure,
    tell=(
        "{calm:.0%} [{calm_low:.0%}, {calm_high:.0%}] of {runs:.0f} published runs that ended in NaN had "
        "a last loss below twice their lowest: that kind of instability has no spike."
    ),
    judge=_judge,
    data="focal_instability_runs.csv",
)
