"""A starved false-positive band holds one negative, never none, and is too wide."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BETA, _FEW, _MANY = 0.005, 50, 4000
_POOLS = 100
_TOO_WIDE = 2.0


def _show(rows: Rows, cause: bool) -> Shown:
    size = _FEW if cause else _MANY
    rows.first(20, size)  # there are as many
    negatives, positives = rows.negatives, rows.positives[:20]
    ordered = negatives.sort().values
    counts, rates = [], []
    for _ in range(_POOLS):
        drawn = negatives[torch.randperm(len(negatives))[:size]]
        loss = PAUCAtBudgetLoss(1, beta=_BETA, queue_size=0)
        targets = torch.cat([torch.ones(len(positives)), torch.zeros(size)]).long()
        _, told = loss(torch.cat([positives, drawn])[:, None], targets, None, False, True)
        counts.append(int(told["band_neg_count"]))
        above = len(negatives) - int(torch.searchsorted(ordered, told["t_beta"]))
        rates.append(above / len(negatives))
    inflation = sum(rates) / len(rates) / _BETA
    return Shown(
        f"band_neg_count 1, never 0, and a true false-positive rate above {_TOO_WIDE:g} times beta",
        f"band_neg_count {min(counts)} to {max(counts)} with {size} negatives; {inflation:.2f} times {_BETA}",
        max(counts) == 1 and min(counts) == 1 and inflation > _TOO_WIDE,
    )


SYMPTOM = Symptom(
    covers=("DX-7", "PA-3", "PA-5", "PA-6"),
    claim=(
        "With too few negatives for its band the partial AUC keeps one of them, so the count shows 1 and"
        " never the 0 to look for, and the band is several times wider than asked."
    ),
    show=_show,
    rows=made(20_000),
    takes_scores=True,
)
