"""A loss that pulls positives only, over a constant threshold, drives all scores upwards."""

from __future__ import annotations

import torch
from torch import nn

from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import train
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_STEPS, _RISE = 300, 3.0


def _rows() -> Rows:
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(4000, 6, generator=draw)
    level = x[:, 0] + x[:, 1] + torch.randn(len(x), generator=draw)
    return Rows(x, (level > level.quantile(0.9)).long())


def _show(rows: Rows, cause: bool) -> Shown:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(rows.scores.shape[1], 32), nn.ReLU(), nn.Linear(32, 1))
    loss = PAUCAtBudgetLoss(1, beta=0.2, queue_size=1024, anchor=not cause)

    def mean() -> float:
        with torch.no_grad():
            return float(model(rows.scores)[rows.targets == 0].mean())

    before = mean()
    train(model, rows, loss, steps=_STEPS, rate=0.01)
    after = mean()
    return Shown(
        f"the mean score of negatives rises by more than {_RISE:g} in {_STEPS} steps",
        f"from {before:.2f} to {after:.2f}",
        after - before > _RISE,
    )


SYMPTOM = Symptom(
    covers=("RQ-6",),
    claim=(
        "Where the threshold is a constant and only positives get a gradient, nothing holds the scores"
        " down: those of negatives rise with those of positives, without end."
    ),
    show=_show,
    rows=_rows,
)
