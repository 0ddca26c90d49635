"""Features that have nothing to do with the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split


class NoiseForFeatures(Kind):
    """A join by the wrong key gave each row the features of another one, in training and validation alike."""

    what = "Features of other rows, in training and validation"
    causes = ("not-separable", "labels-misencoded")
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return replace(
            split,
            x=split.x[draw.permutation(len(split.x))],
            val_x=split.val_x[draw.permutation(len(split.val_x))],
            outcome_x=split.outcome_x[draw.permutation(len(split.outcome_x))],
        )


KIND = NoiseForFeatures()
