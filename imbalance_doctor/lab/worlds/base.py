"""What a data set of the lab is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Task", "World"]

Task = Literal["binary", "multiclass", "multilabel"]


@dataclass(frozen=True, kw_only=True)
class World:
    """One data set.

    Attributes
    ----------
    name
        Of the data set.
    features
        float32 [N, d], or [N, steps, d] for sequences.
    labels
        int64: 0 and 1 [N], class ids [N], or indicators [N, C].
    task
        What the labels are.
    """

    name: str
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    task: Task = "binary"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def prevalence(self) -> float:
        """Share of positives, 0-1; of the rarest class where there are several."""
        if self.task == "multiclass":
            return float(np.bincount(self.labels).min() / len(self))
        return float(self.labels.reshape(len(self), -1).mean(0).min())
