"""Scores that were scaled before they are taken for logits."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Kind


class CalibrationLost(Kind):
    """A factor left from a search for a threshold makes every probability 0 or 1.

    The ranking stays as it is, so average precision loses nothing.
    """

    what = "Validation scores times 20"
    causes = ("calibration-lost",)
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def shown(self, scores: np.ndarray) -> np.ndarray:
        return scores * 20.0


KIND = CalibrationLost()
