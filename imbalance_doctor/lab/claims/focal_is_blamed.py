"""Wrong labels show under cross-entropy as well."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, SHARPENED

__all__ = ["CLAIM"]

CLAIM = shown(
    "training-rows-rank-worse",
    covers=("DX-10", "G-2"),
    document="A focal loss that stays noisy suffers from wrong positives, which other losses bear better.",
    when=SHARPENED,
    otherwise=CONFIRMED,
)
