"""A temperature that reaches its end within a few steps of the main phase."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class TemperatureDecaysTooFast(Kind):
    """Gradients are spikes before the scores have found their order.

    The run goes on as its twin ends, so little is lost.
    """

    what = "A temperature that falls to a tenth of the end within 1 to 5 percent of the main phase"
    causes = ("temperature-decays-too-fast",)
    of = "smooth-ap-from-hot"
    onset = 0.15

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(severity=draw.between(0.01, 0.05))

    def temperature(self, temperature: float, step: int, training: Training) -> float:
        setup = training.setup
        decay = max(1.0, setup.severity * (setup.steps - training.warm))
        done = min(1.0, max(0, step - training.started) / decay)
        return float(setup.temp_start * (setup.temp_end / setup.temp_start) ** done)


KIND = TemperatureDecaysTooFast()
