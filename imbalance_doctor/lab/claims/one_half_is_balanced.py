"""The chance level of Smooth-AP is 0.5 for balanced pools only."""

from __future__ import annotations

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    Claim,
    Figures,
    Verdict,
    above,
    below,
    settle,
)
from imbalance_doctor.lab.claims.loss_at_start import at_equal_scores

__all__ = ["CLAIM"]


def _judge(f: Figures) -> Verdict:
    holds = (
        below(f, "error", 1e-4),
        above(f, "balanced", 0.49),
        below(f, "balanced", 0.51),
        above(f, "rare", 0.9),
    )
    return settle((CONFIRMED, holds), otherwise=CONTRADICTED)


CLAIM = Claim(
    covers=("X-3",),
    document=(
        "A start at 0.5 holds at 50 % positives only; elsewhere the chance level of the run's own pool "
        "counts."
    ),
    measure=at_equal_scores,
    tell="{balanced:.4f} for a balanced pool, {rare:.4f} at 1 % positives.",
    judge=_judge,
)
