"""The loss jumps at the switch without any poisoned queue."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "loss-jumps-at-the-switch",
    covers=("C15", "DX-12"),
    document="A spike after the phase switch comes from a queue poisoned by warm-up logits.",
    when=CONTRADICTED,
    otherwise=CONFIRMED,
)
