"""Validation scores with the wrong sign."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Kind


class EvaluationInverted(Kind):
    """The evaluation ranks by the score of the negative class."""

    what = "Validation scores negated"
    causes = ("evaluation-inverted", "labels-misencoded")
    of = "plain"
    tasks = ("binary", "multilabel")

    def shown(self, scores: np.ndarray) -> np.ndarray:
        return -scores


KIND = EvaluationInverted()
