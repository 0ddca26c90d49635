"""Validation labels shifted by a row against their scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.worlds import World


class EvaluationShifted(Kind):
    """Rows were dropped from the scores or the labels.

    Validation compares each score with the label of another row.
    """

    what = "Validation labels shifted by 1 to 20 rows"
    causes = ("evaluation-inverted", "labels-misencoded")
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.whole(1, 20))

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        by = int(setup.severity)
        return replace(
            split, val_y=np.roll(split.val_y, by, axis=0), outcome_y=np.roll(split.outcome_y, by, axis=0)
        )


KIND = EvaluationShifted()
