"""alpha 0 removes every positive, 1 every negative."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "alpha-zero-removes-positives",
    covers=("X-2", "G-7"),
    document="alpha = 0 removes all positives in the sigmoid form; to turn it off is another setting.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
