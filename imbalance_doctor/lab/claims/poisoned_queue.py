"""A queue of wrong scores mends itself in queue size / batch size steps."""

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
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]

_BATCH, _QUEUE, _OFF = 64, 1024, 1e-6


def _measure(draw: Draw) -> Figures:
    steps = 3 * _QUEUE // _BATCH
    before = binary(_QUEUE, 0.1, seed=draw.seed)
    rows = binary(_BATCH * steps, 0.1, seed=draw.seed + 1)
    good, bad = SmoothAPLoss(1, _QUEUE, 0.3), SmoothAPLoss(1, _QUEUE, 0.3)
    slope(good, before)
    slope(bad, Rows(8 * before.scores + 30, before.targets))
    off = []
    for step in range(steps):
        part = rows.take(slice(step * _BATCH, (step + 1) * _BATCH))
        off.append(abs(slope(bad, part)[0] - slope(good, part)[0]))
    wrong = [d > _OFF for d in off]
    return {
        "steps": sum(wrong),
        "turnover": _QUEUE / _BATCH,
        "largest": max(off),
        "late": max(off[_QUEUE // _BATCH :]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "largest", 0.01), above(f, "late", 0.01))),
        (SHARPENED, (above(f, "largest", 0.01), below(f, "late", 0.01))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("AP-12",),
    document=(
        "After phase switches, checkpoint loads and learning-rate resets the queue misrepresents the scores."
    ),
    measure=_measure,
    tell=(
        "Stored logits eight times too wide and shifted by 30 move the loss by up to {largest:.2f}, for "
        "{steps:.0f} steps; queue size / batch size is {turnover:.0f}, and afterwards nothing is left."
    ),
    judge=_judge,
)
