"""A stalled recall loss has several causes, told apart by its level."""

from __future__ import annotations

import torch

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
from imbalance_doctor.losses import RecallAtQuantileLoss
from imbalance_doctor.replay.symptoms._parts import binary, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = ["CLAIM"]

_PREVALENCE = 0.05


def _measure(draw: Draw) -> Figures:
    rows = binary(draw.size(4000, 1000), _PREVALENCE, gap=12.0, seed=draw.seed)
    found: dict[str, float] = {}
    stalled = []
    for name, q, spread in (("met", 0.1, 1.0), ("inside", 0.0125, 1.0)):
        value, gradient = slope(
            RecallAtQuantileLoss(1, q, 0, anchor=False), Rows(spread * rows.scores, rows.targets)
        )
        found[name] = value
        stalled.append(norm(gradient))
    loss = RecallAtQuantileLoss(1, 0.1, 4000, 1.0, anchor=False)
    slope(loss, Rows(torch.randn(4000, generator=draw.generator()), (torch.arange(4000) % 20 == 0).long()))
    found["absent"], gradient = slope(loss, Rows(rows.negatives[:64], torch.zeros(64, dtype=torch.int64)))
    stalled.append(norm(gradient))
    flat = Rows(1e-6 * rows.scores, rows.targets)
    found["flat"], _ = slope(RecallAtQuantileLoss(1, 0.1, 0, anchor=False), flat)
    return {**found, "gradient": max(stalled)}


def _judge(f: Figures) -> Verdict:
    others = (above(f, "inside", 0.3), above(f, "absent", 0.1), above(f, "flat", 0.3))
    return settle(
        (SHARPENED, (below(f, "met", 0.05), below(f, "gradient", 1), *others)),
        (CONFIRMED, (below(f, "met", 0.05),)),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("C20", "DX-5"),
    document="Recall-at-Quantile stalls because all positives are above the threshold: normal.",
    measure=_measure,
    tell=(
        "It stalls at {met:.3f} where that is so; at {inside:.2f} with q a quarter of the prevalence, at "
        "{absent:.2f} without live positives, at {flat:.2f} with scores far closer than the temperature."
    ),
    judge=_judge,
)
