"""Training labels in random order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split


class ShuffledLabels(Kind):
    """Labels were shuffled apart from their rows, so nothing is left to learn."""

    what = "Training labels shuffled against their rows"
    causes = ("not-separable", "labels-misencoded")
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return replace(split, y=split.y[draw.permutation(len(split.y))])


KIND = ShuffledLabels()
