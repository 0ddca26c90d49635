"""Training rows in the order of their labels, the rare one last."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training


class LoaderSortedByLabel(Kind):
    """Each epoch ends in the rare class and forgets it in a long stretch of the other one."""

    what = "A loader that does not shuffle rows sorted by label, with binary cross-entropy"
    causes = ("majority-collapse",)
    of = "plain"

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return _parts.positives_first(split)

    def chosen(self, rows: np.ndarray, step: int, training: Training) -> np.ndarray:
        return _parts.in_order(len(rows), step, training)


KIND = LoaderSortedByLabel()
