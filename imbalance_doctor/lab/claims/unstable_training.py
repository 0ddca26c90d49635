"""A learning rate that is too high shows as variance of the loss."""

from __future__ import annotations

import math

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import cost_of, fit, network, world
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)

__all__ = ["CLAIM"]


def _roughness(draw: Draw, number: int, rate: float) -> float:
    rows = world(number, 0.1, 4000)
    course: list[float] = []
    steps = draw.size(200, 20)
    fit(
        network(number),
        rows,
        cost_of("focal", 0.1),
        steps=steps,
        rate=rate,
        each=lambda _, loss: course.append(loss),
    )
    late = course[steps // 2 :]
    level = sum(late) / len(late)
    return math.sqrt(sum((v - level) ** 2 for v in late) / len(late))


def _measure(draw: Draw) -> Figures:
    found = [
        (_roughness(draw, 1000 * draw.seed + i, 0.01), _roughness(draw, 1000 * draw.seed + i, 0.5))
        for i in range(draw.size(5, 2))
    ]
    return {
        **mean("calm", [a for a, _ in found]),
        **mean("wild", [b for _, b in found]),
        **mean("rougher", [math.log(b / a) for a, b in found]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "rougher", 0.4),)), (CONTRADICTED, (below(f, "rougher", 0.4),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("G-9", "M-6"),
    document="Unstable training shows as variance of the loss.",
    measure=_measure,
    tell=(
        "At a learning rate of 0.5 the late loss of batches scatters by {wild:.3f}, at 0.01 by "
        "{calm:.3f}; the log of the ratio is {rougher:.1f} [{rougher_low:.1f}, {rougher_high:.1f}]."
    ),
    judge=_judge,
)
