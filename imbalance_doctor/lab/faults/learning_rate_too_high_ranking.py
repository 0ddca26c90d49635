"""Steps of the optimiser that are far too large for a ranking loss."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class LearningRateTooHighRanking(Kind):
    """Scores explode beyond the temperature, or units die and the answer is constant."""

    what = "Smooth-AP with a learning rate of 0.2 to 5"
    causes = ("learning-rate-too-high",)
    of = "smooth-ap-constant"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(learning_rate=draw.between(0.2, 5.0))


KIND = LearningRateTooHighRanking()
