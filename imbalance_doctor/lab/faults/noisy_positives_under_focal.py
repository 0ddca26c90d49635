"""Mislabelled positives under the focal loss."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.worlds import World


class NoisyPositivesUnderFocal(Kind):
    """Some training positives are negatives. The focal loss takes them for the rows to learn from."""

    what = "40 to 85 percent of the training positives are mislabelled, with the focal loss"
    causes = ("noisy-positives",)
    of = "focal"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.4, 0.85))

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return _parts.mislabelled(split, setup.severity, draw)


KIND = NoisyPositivesUnderFocal()
