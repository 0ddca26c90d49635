"""Training rows in the order of their labels, the rare one last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split
from imbalance_doctor.lab.training import Training


class LoaderSortedByLabel(Kind):
    """Each epoch ends in the rare class and forgets it in a long stretch of the other one."""

    what = "A loader that does not shuffle rows sorted by label, with binary cross-entropy"
    causes = ("majority-collapse",)
    of = "plain"

    def spoilt(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        order = np.argsort(-split.y, kind="stable")
        return replace(split, x=split.x[order], y=split.y[order])

    def chosen(self, rows: np.ndarray, step: int, training: Training) -> np.ndarray:
        return (np.arange(len(rows)) + (step - 1) * len(rows)) % len(training.y)


KIND = LoaderSortedByLabel()
