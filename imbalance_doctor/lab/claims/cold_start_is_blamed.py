"""A cold start does not put Smooth-AP below cross-entropy."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "smooth-ap-below-cross-entropy",
    covers=("DX-4",),
    document="A ranking loss that ends below cross-entropy started cold: warm up longer.",
    when=CONTRADICTED,
    otherwise=CONFIRMED,
)
