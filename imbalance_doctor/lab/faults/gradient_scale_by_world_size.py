"""Data parallelism averages a loss that was gathered already."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class GradientScaleByWorldSize(Kind):
    """The gradient is divided by the workers once too often.

    Plain gradient descent feels it as a smaller learning rate.
    """

    what = "Gradients divided by the number of workers, with SGD"
    causes = ("gradient-scale-by-world-size", "learning-rate-too-low")
    of = "smooth-ap-constant"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            optimizer="SGD",
            learning_rate=draw.between(0.1, 0.5),
            world_size=draw.choice([8, 16, 32]),
        )

    def gradient(self, training: Training) -> None:
        for weight in training.net.parameters():
            if weight.grad is not None:
                weight.grad /= training.setup.world_size


KIND = GradientScaleByWorldSize()
