"""What the pairwise form of the partial AUC computes is the partial AUC."""

from __future__ import annotations

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
from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope

__all__ = ["CLAIM"]

_BETA = 0.1


def _measure(draw: Draw) -> Figures:
    errors: dict[str, list[float]] = {"pairwise": [], "trapezoid": []}
    values = []
    for i in range(draw.size(20, 2)):
        rows = binary(4000, 0.05, seed=1000 * draw.seed + i)
        edge = rows.negatives.sort(descending=True).values[: round(_BETA * len(rows.negatives))]
        values.append(float((rows.positives[:, None] > edge).double().mean()))
        for surrogate, found in errors.items():
            loss = PAUCAtBudgetLoss(1, beta=_BETA, surrogate=surrogate, queue_size=0, temperature=0.01)  # type: ignore[arg-type]
            found.append(abs(1 - slope(loss, rows)[0] - values[-1]))
    return {**{name: max(found) for name, found in errors.items()}, "area": sum(values) / len(values)}


def _judge(f: Figures) -> Verdict:
    return settle((CONFIRMED, (below(f, "pairwise", 0.02),)), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("PA-1", "SL-6"),
    document="pAUC-at-Budget stands for the partial AUC over the band.",
    measure=_measure,
    tell=(
        "1 - loss of the pairwise form is within {pairwise:.3f} of it ({area:.2f}), of the default "
        "trapezoid with two knots within {trapezoid:.3f}."
    ),
    judge=_judge,
)
