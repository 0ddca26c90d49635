"""It is a high temperature that keeps Smooth-AP at its chance level."""

from __future__ import annotations

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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    rows = binary(draw.size(4000, 1000), 0.05, seed=draw.seed)
    chance = 1 - (len(rows.positives) + 1) / (len(rows) + 1)
    spread = rows.scores.std().item()

    def off(temperature: float) -> float:
        return abs(slope(SmoothAPLoss(1, 0, temperature * spread), rows)[0] / chance - 1)

    return {"high": off(100.0), "fitting": off(0.1), "low": off(1e-4)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONTRADICTED, (below(f, "high", 0.02), above(f, "low", 0.05))),
        (CONFIRMED, (below(f, "low", 0.02), above(f, "high", 0.05))),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C2", "DX-1"),
    document=(
        "A loss that stays at its chance level has too low a temperature for near-uniform scores: begin "
        "higher."
    ),
    measure=_measure,
    tell=(
        "Smooth-AP is {high:.1%} from its chance level at a temperature of 100 spreads, {fitting:.0%} at "
        "0.1 and {low:.0%} at 0.0001: too high a temperature keeps it there."
    ),
    judge=_judge,
)
