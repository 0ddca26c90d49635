"""No loss makes order where there is none."""

from __future__ import annotations

import torch

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import cost_of, fit, logits_of, network
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
from imbalance_doctor.lab.metrics import roc_auc

__all__ = ["CLAIM"]


_PREVALENCE = 0.1


def _measure(draw: Draw) -> Figures:
    rows, steps = draw.size(6000, 1000), draw.size(200, 20)
    found: dict[str, float] = {}
    for arm in ("bce", "focal", "smooth-ap"):
        ends = []
        for i in range(draw.size(6, 2)):
            generator = draw.generator(i)
            x = torch.randn(2 * rows, 8, generator=generator)
            y = (torch.rand(2 * rows, generator=generator) < _PREVALENCE).long()
            model = network(1000 * draw.seed + i)
            fit(model, (x[:rows], y[:rows]), cost_of(arm, _PREVALENCE), steps=steps, seed=i)
            ends.append(roc_auc(logits_of(model, x[rows:]).double().numpy(), y[rows:].numpy() == 1))
        found.update(mean(arm.replace("-", "_"), ends))
    return found


def _judge(f: Figures) -> Verdict:
    arms = ("bce", "focal", "smooth_ap")
    return settle(
        (CONTRADICTED, tuple(above(f, arm, 0.55) for arm in arms)),
        (CONFIRMED, tuple(below(f, arm, 0.55) for arm in arms)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("U-2",),
    document="If nothing separates the classes no loss helps.",
    measure=_measure,
    tell=(
        "On labels independent of the inputs the ROC AUC is {bce:.3f} under cross-entropy, {focal:.3f} "
        "under focal and {smooth_ap:.3f} [{smooth_ap_low:.3f}, {smooth_ap_high:.3f}] under Smooth-AP."
    ),
    judge=_judge,
)
