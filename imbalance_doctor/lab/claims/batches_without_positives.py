"""At 0.5 % positives most batches of 32 hold none."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import proportion
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


_PREVALENCE = 0.005


def _measure(draw: Draw) -> Figures:
    batches = draw.size(4000, 100)
    held = torch.rand(batches, 32, generator=draw.generator()) < _PREVALENCE
    return proportion("none", int((~held.any(1)).sum()), batches)


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "none", 0.5),)), (CONTRADICTED, (below(f, "none", 0.5),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("OV-2",),
    document="At 0.5 % positives and batches of 32 most batches hold no positive.",
    measure=_measure,
    tell="{none:.0%} [{none_low:.0%}, {none_high:.0%}] hold none.",
    judge=_judge,
)
