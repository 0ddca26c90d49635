"""A cap moves the quantile among the positives."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "cap-lifts-prevalence",
    covers=("RQ-2", "AP-8"),
    document="q above the share of positives in the data is enough, with a pool cap or without.",
    when=CONTRADICTED,
    otherwise=CONFIRMED,
    draws=20,
)
