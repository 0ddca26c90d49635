"""Small batches make the statistics of a class unstable."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import ratio
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
from imbalance_doctor.replay.symptoms._parts import binary

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    rows = binary(20_000, 0.05, seed=draw.seed)
    p = torch.sigmoid(rows.scores)
    found: dict[int, list[float]] = {64: [], 1024: []}
    generator = draw.generator()
    for size, values in found.items():
        while len(values) < draw.size(200, 8):
            at = torch.randint(len(rows), (size,), generator=generator)
            mine = p[at][rows.targets[at] == 1]
            if len(mine):
                values.append(float(mine.mean()))
    return ratio("rougher", found[64], found[1024])


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "rougher", 2),)), (CONTRADICTED, (below(f, "rougher", 2),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("G-15",),
    document="Small batches make p_t and statistics per class unstable.",
    measure=_measure,
    tell=(
        "At 5 % positives the mean p_t of the positives of a batch of 64 is {rougher:.1f} "
        "[{rougher_low:.1f}, {rougher_high:.1f}] times as rough as in one of 1024."
    ),
    judge=_judge,
)
