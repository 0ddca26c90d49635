"""Dumped scores show the instability before the training does."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "saturated-scores-foretell-nan",
    covers=("ST-3",),
    document="The instability is visible in the focal gradients of dumped scores before training shows NaN.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
