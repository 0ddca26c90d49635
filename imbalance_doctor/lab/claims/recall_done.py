"""A recall loss that has done its work has no gradient."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "recall-loss-done",
    covers=("RQ-4",),
    document="With all positives above the threshold loss and gradient vanish: correct convergence.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
