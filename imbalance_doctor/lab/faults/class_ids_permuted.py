"""Class names mapped to other ids in training than in validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split


class ClassIdsPermuted(Kind):
    """Each part sorted the names it found by itself, so ids are exchanged."""

    what = "Class ids of the training exchanged"
    causes = ("labels-misencoded", "evaluation-inverted")
    of = "plain"
    tasks = ("multiclass", "multilabel")

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        if split.y.ndim > 1:
            return replace(split, y=np.roll(split.y, 1, axis=1))
        return replace(split, y=(split.y + 1) % (int(split.y.max()) + 1))


KIND = ClassIdsPermuted()
