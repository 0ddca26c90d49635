"""A temperature schedule that is never called."""

from __future__ import annotations

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.training import Training


class ScheduleNotWired(Kind):
    """Nothing calls the hook after each step, so the temperature stays where it starts, above the spread."""

    what = "The temperature never leaves its high start"
    causes = ("schedule-not-wired", "temperature-above-spread")
    of = "smooth-ap-from-hot"

    def temperature(self, temperature: float, step: int, training: Training) -> float:
        return training.setup.temp_start


KIND = ScheduleNotWired()
