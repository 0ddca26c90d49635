"""Gathering with only the local shard's gradient divides it by the number of workers."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "gradient-divided-by-workers",
    covers=("OV-1",),
    document="Gather logits and targets over all workers and keep the gradient of the local shard.",
    when=CONTRADICTED,
    otherwise=CONFIRMED,
)
