"""Negatives labelled as positives, at random."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup, Split
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.worlds import World


class NoisyPositives(Kind):
    """Mislabelled negatives are learned by heart beside the few true positives. Both runs learn fast."""

    what = "40 to 85 percent of the training positives are mislabelled negatives"
    causes = ("noisy-positives",)
    of = "plain"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        few = max(12, round(draw.between(0.005, 0.015) * 0.6 * len(world)))
        return setup.but(train_positives=few, learning_rate=draw.between(0.003, 0.01))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.4, 0.85))

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return _parts.mislabelled(split, setup.severity, draw)


KIND = NoisyPositives()
