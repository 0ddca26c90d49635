"""The cost of ranking grows as the square in the dense form only."""

from __future__ import annotations

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)
from imbalance_doctor.lab.claims.dense_memory import saved_bytes
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, library

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    small, large = (binary(draw.size(n, n // 4), 0.1, seed=draw.seed) for n in (4000, 8000))
    found = {}
    for name, loss in (("dense", library().SmoothAPLoss(1, 0, 0.1)), ("linear", SmoothAPLoss(1, 0, 0.1))):
        found[name] = saved_bytes(loss, large) / saved_bytes(loss, small)
    return found


def _judge(f: Figures) -> Verdict:
    dense = above(f, "dense", 3)
    return settle(
        (SHARPENED, (dense, below(f, "linear", 2.5))), (CONFIRMED, (dense,)), otherwise=CONTRADICTED
    )


CLAIM = Claim(
    covers=("SL-10",),
    document="Focal costs O(N), ranking O(|P| x M).",
    measure=_measure,
    tell=(
        "Twice the rows keep {dense:.1f} times the memory in the dense form and {linear:.1f} times in one "
        "that sorts."
    ),
    judge=_judge,
    reference=True,
)
