"""Without a queue a ranking loss below 1 % positives idles in most steps."""

from __future__ import annotations

from imbalance_doctor.lab.claims._shown import shown
from imbalance_doctor.lab.claims.base import CONFIRMED, CONTRADICTED

__all__ = ["CLAIM"]

CLAIM = shown(
    "rare-class-without-positives",
    covers=("SL-9", "AP-11"),
    document=(
        "Below 1 % positives a ranking loss without a queue degenerates: pools hold no positive, and the "
        "loss is 0.0."
    ),
    when=CONFIRMED,
    otherwise=CONTRADICTED,
)
