"""Accuracy hides a class that is never found."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import bank
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)

__all__ = ["CLAIM"]

_RARE = 0.05


def _measure(draw: Draw) -> Figures:
    rare = [w for w in bank(draw) if w.prevalence <= _RARE or draw.smoke]
    return {
        **mean("never", [1 - float(w.arms["bce"].targets.double().mean()) for w in rare]),
        **mean("trained", [w.arms["bce"].accuracy for w in rare]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "never", 0.9), below({"x": f["trained"] - f["never"]}, "x", 0.05))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("G-19",),
    document="Aggregated metrics hide the failure of a rare class: slice by class.",
    measure=_measure,
    tell=(
        "With at most 5 % positives an answer that never says yes has an accuracy of {never:.3f}, trained "
        "models {trained:.3f}."
    ),
    judge=_judge,
)
