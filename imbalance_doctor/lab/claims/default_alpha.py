"""The usual alpha quiets the rare class."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, SHARPENED

__all__ = ["CLAIM"]

CLAIM = shown(
    "default-alpha-quiets-positives",
    covers=("G-4", "G-7"),
    document="Start from gamma 2 and alpha 0.25.",
    when=SHARPENED,
    otherwise=CONFIRMED,
)
