"""Data whose noise bounds what can be reached."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class NoiseLimited(Kind):
    """A linear model, which does not learn the noise by heart."""

    what = "Trains a linear model with plain cross-entropy on features that are mostly noise"
    ugly = (
        "average precision stops far below 1 and the loss hardly falls below that of a constant: "
        "there is no more in the data"
    )

    def world(self, world: World, draw: Draw) -> World:
        spread = world.features.std(axis=tuple(range(world.features.ndim - 1)))
        noise = np.random.default_rng(draw.whole(1, 10_000)).normal(size=world.features.shape)
        features = world.features + draw.between(2.0, 3.0) * spread * noise
        return replace(world, features=features.astype(np.float32))

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        model = setup.model if world.features.ndim > 2 else "linear"  # noqa: PLR2004  sequences
        return setup.but(loss="bce", model=model, learning_rate=draw.between(3e-3, 8e-3))


KIND = NoiseLimited()
