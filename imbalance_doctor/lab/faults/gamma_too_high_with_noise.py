"""A high focal gamma where labels are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class GammaTooHighWithNoise(Kind):
    """The hardest rows, which alone have a gradient, are those with a wrong label.

    Both runs have the same wrong labels; often little is lost.
    """

    what = "Focal loss with a gamma of 6 to 20 where many positives are mislabelled"
    causes = ("gamma-too-high", "noisy-positives")
    of = "focal"

    def world(self, world: World, draw: Draw) -> World:
        g = np.random.default_rng(draw.choice(range(2**31)))
        labels = world.labels.copy()
        negatives = np.flatnonzero(labels == 0)
        labels[g.choice(negatives, round(0.4 * labels.sum()), replace=False)] = 1
        return replace(world, labels=labels)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(gamma=draw.between(6.0, 20.0))


KIND = GammaTooHighWithNoise()
