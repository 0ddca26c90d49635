"""Batches so small that many hold no positive."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class TinyBatches(Kind):
    """What one step lacks, many steps have."""

    what = "Trains with plain cross-entropy on batches of 12 to 24 rows, with as many more steps"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "many batches have no positive, and the loss and the gradient leap by factors from row to row"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        size = draw.whole(12, 24)
        return setup.but(
            loss="bce",
            batch_size=size,
            steps=4 * setup.steps,
            every=4 * setup.every,
            learning_rate=min(setup.learning_rate, 1e-3),
        )


KIND = TinyBatches()
