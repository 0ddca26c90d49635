"""A quantile below the prevalence has a floor of 1 - q / p."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "recall-loss-at-its-floor",
    covers=("RQ-2", "RQ-5"),
    document=(
        "q below the share of positives puts the threshold among them: only about q of them can end above."
    ),
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
