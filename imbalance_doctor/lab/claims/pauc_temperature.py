"""The temperature of the partial AUC has no unit."""

from __future__ import annotations

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
from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]

_DEAD = 1e-8


def _measure(draw: Draw) -> Figures:
    rows = binary(2000, 0.05, seed=draw.seed)
    costs = [
        slope(PAUCAtBudgetLoss(1, beta=0.1, queue_size=0), Rows(a * rows.scores + 3, rows.targets))[0]
        for a in (0.1, 1, 10)
    ]

    def dead(temperature: float) -> float:
        loss = PAUCAtBudgetLoss(1, beta=0.1, queue_size=0, temperature=temperature, anchor=False)
        _, gradient = slope(loss, rows)
        return float((gradient[rows.targets == 1].abs() < _DEAD).double().mean())

    return {"apart": max(costs) - min(costs), "loss": costs[1], "own": dead(0.1), "low": dead(0.01)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "apart", 1e-3), below(f, "own", 0.4), above(f, "low", 0.5))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("C23", "PA-10"),
    document=(
        "The temperature of the partial AUC is dimensionless: 0.1, and not the 0.01 of the other losses."
    ),
    measure=_measure,
    tell=(
        "Scores times 0.1, 1 and 10 cost the same within {apart:.1g}; {own:.0%} of the positives have no "
        "gradient at 0.1, {low:.0%} at 0.01."
    ),
    judge=_judge,
)
