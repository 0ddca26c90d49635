"""One bad batch fills the queue."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class BadBatchInQueue(Kind):
    """A pass over another data set in the middle of the run fills the queue.

    Little is lost by the end. Its scores are equal and far up, half of them called positive, until
    newer rows push them out.
    """

    what = "A queue filled with rows of another data set in the middle of the run"
    causes = ("poisoned-queue",)
    of = "smooth-ap-constant"
    onset = 0.5

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(5.0, 100.0))

    def before_step(self, step: int, training: Training) -> None:
        if _parts.begins(step, self.onset, training):
            rows = training.setup.queue_size
            top = float(training.scores.detach().abs().max())
            scores = torch.full((rows, 1), top * training.setup.severity, dtype=training.scores.dtype)
            _parts.store(training, scores, (torch.arange(rows) % 2 == 0).long())


KIND = BadBatchInQueue()
