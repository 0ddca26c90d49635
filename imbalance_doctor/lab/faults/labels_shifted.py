"""Training labels shifted by rows against their features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.worlds import World


class LabelsShifted(Kind):
    """A header or a dropped row moved the labels, so each row trains on the label of another."""

    what = "Training labels shifted by 1 to 50 rows"
    causes = ("labels-misencoded", "not-separable")
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.whole(1, 50))

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return replace(split, y=np.roll(split.y, int(setup.severity), axis=0))


KIND = LabelsShifted()
