"""A validation set with a handful of positives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split


class FewValidationPositives(Kind):
    """The training is plain; only what the log can show of it is coarse."""

    what = "Validates on four to nine positives"
    ugly = (
        "average precision jumps by tenths from row to row and recall has a few values, as both "
        "rest on a handful of positives"
    )

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        positives, negatives = np.flatnonzero(split.val_y == 1), np.flatnonzero(split.val_y == 0)
        few = draw.permutation(positives)[: int(draw.integers(4, 10))]
        kept = np.sort(np.concatenate([few, negatives]))
        return replace(split, val_x=split.val_x[kept], val_y=split.val_y[kept])


KIND = FewValidationPositives()
