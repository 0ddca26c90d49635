"""Data that are nearly separable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class EasyData(Kind):
    """The rare class is moved away from the others."""

    what = "Trains with plain cross-entropy on data that are nearly separable"
    ugly = (
        "the loss is next to 0, average precision next to 1, gradients vanish and nothing moves "
        "any more: all is learned"
    )

    def world(self, world: World, draw: Draw) -> World:
        features = world.features.copy()
        spread = features.std(axis=tuple(range(features.ndim - 1)))
        features[world.labels == 1] += (draw.between(1.5, 2.5) * (spread + 1e-3)).astype(np.float32)
        return replace(world, features=features)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce", label_smoothing=0.0)


KIND = EasyData()
