"""Lowering gamma below 1 is no cure."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, SHARPENED

__all__ = ["CLAIM"]

CLAIM = shown(
    "gamma-one-half-as-a-cure",
    covers=("G-3", "X-1"),
    document="Unstable training with gamma above 2: lower gamma to 1 or 0.5.",
    when=SHARPENED,
    otherwise=CONFIRMED,
)
