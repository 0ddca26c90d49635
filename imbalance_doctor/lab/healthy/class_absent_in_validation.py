"""A rare class that validation does not hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split


class ClassAbsentInValidation(Kind):
    """It is learned all the same."""

    what = "Trains with plain cross-entropy; the rarest class is missing in the rows that are validated on"
    tasks = ("multiclass",)
    ugly = (
        "metrics of the rarest class are missing, and the others speak of an easier problem than "
        "training does"
    )

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        kept = split.val_y != np.bincount(split.y).argmin()
        return replace(split, val_x=split.val_x[kept], val_y=split.val_y[kept])


KIND = ClassAbsentInValidation()
