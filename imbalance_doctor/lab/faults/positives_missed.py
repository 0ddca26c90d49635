"""Positives labelled as negatives."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.worlds import World


class PositivesMissed(Kind):
    """Annotators missed most positives of one region, which the model then learns to call negative."""

    what = "40 to 90 percent of the training positives are labelled negative, those of a region first"
    causes = ("noisy-positives",)
    of = "plain"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.4, 0.9))

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        flat = split.x.reshape(len(split.x), -1)
        positives = np.flatnonzero(split.y == 1)
        place = flat[positives] @ draw.normal(size=flat.shape[1])
        return _parts.flipped(split, positives[np.argsort(place)[: int(setup.severity * len(positives))]])


KIND = PositivesMissed()
