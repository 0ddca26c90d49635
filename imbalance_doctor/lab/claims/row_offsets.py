"""Scores must be comparable across the pool."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "row-offsets-change-the-ranking",
    covers=("AP-4",),
    document="Scores across the pool must be comparable.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
