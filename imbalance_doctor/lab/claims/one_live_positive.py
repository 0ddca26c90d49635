"""One live positive among stored ones carries a fraction of the gradient."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, SHARPENED

__all__ = ["CLAIM"]

CLAIM = shown(
    "gradient-rests-on-one-positive",
    covers=("PA-8", "DX-9"),
    document="grad_pos_count near 1: the value is right, and only the variance of the gradient is high.",
    when=SHARPENED,
    otherwise=CONFIRMED,
)
