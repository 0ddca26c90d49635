"""gamma 0.5 as a cure runs into the unstable range."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "gamma-one-half-as-a-cure",
    covers=("X-1",),
    document="Of the cure 'gamma 1 or 0.5' only 1 is safe, 0.5 is unstable without the stabilised form.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
