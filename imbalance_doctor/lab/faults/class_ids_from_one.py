"""Class ids that start at 1 where the evaluation starts at 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split


class ClassIdsFromOne(Kind):
    """Training and evaluation disagree by one about which column is which class."""

    what = "Training labels one higher than those of the validation"
    causes = ("labels-misencoded",)
    of = "plain"
    tasks = ("multiclass",)

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return replace(split, y=split.y + 1)


KIND = ClassIdsFromOne()
