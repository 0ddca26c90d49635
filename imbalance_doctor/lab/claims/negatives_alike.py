"""Negatives that score alike take the class out of the partial AUC."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "class-without-dispersion",
    covers=("PA-4", "DX-8"),
    document="Near-constant negatives leave no scale for the temperature: the class is skipped.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
