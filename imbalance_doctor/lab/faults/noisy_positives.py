"""Negatives labelled as positives, at random."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.worlds import World


class NoisyPositives(Kind):
    """Mislabelled negatives, drawn evenly, dilute the signal. With enough true positives little is lost."""

    what = "40 to 85 percent of the training positives are mislabelled negatives"
    causes = ("noisy-positives",)
    of = "plain"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.4, 0.85))

    def spoilt(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return _parts.mislabelled(split, setup.severity, draw)


KIND = NoisyPositives()
