"""Smooth-AP trained with and without warm-up, and with temperatures that fall early or late."""

from __future__ import annotations

from functools import cache

from imbalance_doctor.lab.claims._trained import Outcome, cost_of, fit, logits_of, network, world
from imbalance_doctor.lab.claims.base import Draw
from imbalance_doctor.losses import SmoothAPLoss

__all__ = ["ARMS", "gains", "switches"]

_PREVALENCE, _CURVE, _RATE = 0.05, 0.3, 0.01
_LAST = 0.05
"""Temperature that is reached, from 1."""
ARMS = {
    "cold": (0.0, 0.5),
    "short": (0.02, 0.5),
    "warm": (0.25, 0.5),
    "long": (0.9, 0.5),
    "fast": (0.25, 0.1),
}
"""Share of the run that is warm-up; share of the main phase after which the last temperature is reached."""


@cache
def _runs(seed: int, smoke: bool) -> tuple[dict[str, tuple[float, float]], ...]:
    rows, steps, times = (1500, 40, 2) if smoke else (8000, 400, 6)
    found = []
    for i in range(times):
        number = 1000 * seed + 700 + i
        x, y = world(number, _PREVALENCE, 2 * rows, _CURVE)
        own, other = (x[:rows], y[:rows]), (x[rows:], y[rows:])
        of = {}
        for arm, (warm, fall) in ARMS.items():
            model = network(number)
            before = round(warm * steps)
            if before:
                fit(model, own, cost_of("bce", _PREVALENCE), steps=before, rate=_RATE, seed=number)
            at_switch = Outcome(logits_of(model, other[0]), other[1]).precision
            loss = SmoothAPLoss(1, 1024, 1.0)
            falls = max(1.0, (steps - before) * fall)

            def cool(step: int, _: float, loss: SmoothAPLoss = loss, falls: float = falls) -> None:
                loss.temperature = _LAST ** min(1.0, (step + 1) / falls)

            fit(model, own, loss, steps=steps - before, rate=_RATE, seed=number + 1, each=cool)
            of[arm] = (Outcome(logits_of(model, other[0]), other[1]).precision, at_switch)
        found.append(of)
    return tuple(found)


def gains(draw: Draw, one: str, other: str) -> list[float]:
    """Return by seed the average precision of one arm less that of the other."""
    return [of[one][0] - of[other][0] for of in _runs(draw.seed, draw.smoke)]


def switches(draw: Draw, arm: str) -> list[float]:
    """Return by seed the average precision when the main phase began."""
    return [of[arm][1] for of in _runs(draw.seed, draw.smoke)]
