"""Scores that are rounded before they are judged."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class CoarseScores(Kind):
    """A service that returns scores of one decimal."""

    what = "Trains with plain cross-entropy; scores are rounded to a tenth of a logit before they are judged"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "many rows share a score, so that metrics stand still for a while and then leap"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce")

    def shown(self, scores: np.ndarray) -> np.ndarray:
        return np.round(10 * scores) / 10


KIND = CoarseScores()
