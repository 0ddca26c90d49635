"""A learning rate that jumps in the middle of the run."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.faults import _parts
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class LearningRateTooHighLate(Kind):
    """A schedule restarts at a far too large rate and throws away what was learned."""

    what = "The learning rate is multiplied by 300 to 3000 at 55 percent of the run"
    causes = ("learning-rate-too-high",)
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")
    onset = 0.55

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(300.0, 3000.0))

    def before_step(self, step: int, training: Training) -> None:
        if _parts.begins(step, self.onset, training):
            for group in training.optimizer.param_groups:
                group["lr"] *= training.setup.severity


KIND = LearningRateTooHighLate()
