"""alpha 0 does not turn alpha off."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "alpha-zero-removes-positives",
    covers=("X-2",),
    document="Test with alpha = 0 to see what alpha does.",
    when=CONTRADICTED,
    otherwise=CONFIRMED,
)
