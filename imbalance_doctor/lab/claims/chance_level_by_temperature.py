"""Whether near-uniform scores stand at the chance level is a matter of the temperature."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONTRADICTED, SHARPENED

__all__ = ["CLAIM"]

CLAIM = shown(
    "loss-at-chance-level",
    covers=("AP-9", "DX-1"),
    document=(
        "From near-uniform scores the loss sits at its chance level until a warm-up gives them an order."
    ),
    when=SHARPENED,
    otherwise=CONTRADICTED,
)
