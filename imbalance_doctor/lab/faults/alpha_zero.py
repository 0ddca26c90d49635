"""A focal alpha of almost 0."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class AlphaZero(Kind):
    """Positives have almost no weight, so the model learns to answer no."""

    what = "Focal loss with an alpha of almost 0"
    causes = ("alpha-misconfigured", "majority-collapse")
    of = "focal"

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(alpha=draw.choice([0.0, 0.0, draw.between(1e-6, 1e-4)]))


KIND = AlphaZero()
