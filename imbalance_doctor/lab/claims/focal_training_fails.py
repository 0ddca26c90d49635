"""A training with gamma 0.5 goes well and then is NaN."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "focal-training-turns-nan",
    covers=("ST-1",),
    document="For gamma between 0 and 1 NaN comes late, when rows become certain.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
