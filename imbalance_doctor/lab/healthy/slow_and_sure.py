"""A low learning rate, and the steps that it needs."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class SlowAndSure(Kind):
    """Slow is no fault where it arrives."""

    what = "Trains with plain cross-entropy at a third of the usual learning rate for three times the steps"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "the loss falls slowly all through the run, and metrics stand still for its first part"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="bce", learning_rate=setup.learning_rate / 3, steps=3 * setup.steps, every=3 * setup.every
        )


KIND = SlowAndSure()
