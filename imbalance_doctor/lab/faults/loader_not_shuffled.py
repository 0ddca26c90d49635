"""Training rows in the order of their labels, not shuffled."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training


class LoaderNotShuffled(Kind):
    """All positives pass by at once. For long stretches no step has one, and old ones leave the queue."""

    what = "A loader that does not shuffle rows sorted by label"
    causes = ("pool-without-positives", "no-valid-class", "few-live-positives")
    of = "smooth-ap-constant"

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return _parts.positives_first(split)

    def chosen(self, rows: np.ndarray, step: int, training: Training) -> np.ndarray:
        return _parts.in_order(len(rows), step, training)


KIND = LoaderNotShuffled()
