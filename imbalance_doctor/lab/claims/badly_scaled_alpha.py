"""alpha at the end of its range takes a class out of the loss."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "alpha-zero-removes-positives",
    covers=("G-7",),
    document="Badly scaled alpha biases the model, or collapses it to one class.",
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
