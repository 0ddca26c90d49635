"""Scores of another head enter the queue."""

from __future__ import annotations

import numpy as np
import torch

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class PoisonedQueue(Kind):
    """From the middle of the run an auxiliary head calls the same loss object.

    Its scores are stored beside the right ones.
    """

    what = "Scores of another head, spread 3 to 30 times as far, enter the queue with each batch"
    causes = ("poisoned-queue",)
    of = "smooth-ap-constant"
    onset = 0.5

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(3.0, 30.0))

    def before_step(self, step: int, training: Training) -> None:
        if step >= self.onset * training.setup.steps and step > 1:
            spread = float(training.scores.detach().std(correction=0)) * training.setup.severity
            g = np.random.default_rng((8, step))
            other = torch.from_numpy(g.normal(0, 1, tuple(training.scores.shape))).to(training.scores.dtype)
            _parts.store(
                training, other * spread, training.labels[torch.from_numpy(g.permutation(len(other)))]
            )


KIND = PoisonedQueue()
