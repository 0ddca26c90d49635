"""A gradient whose norm is always the limit."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class ClippedGradient(Kind):
    """Every gradient is clipped, and Adam does not mind its length."""

    what = "Trains with plain cross-entropy, the gradient clipped to a norm below its usual one"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "the norm of the gradient is the same small number in nearly every row"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(loss="bce")

    def gradient(self, training: Training) -> None:
        nn.utils.clip_grad_norm_(training.net.parameters(), 0.01)


KIND = ClippedGradient()
