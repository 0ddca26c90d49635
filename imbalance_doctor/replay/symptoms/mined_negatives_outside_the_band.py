"""Mined negatives above every drawn one are outside the band and get no gradient."""

from __future__ import annotations

import torch

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_MINED, _DRAWN, _POSITIVES = 50, 400, 20
_FEW = 0.2


def _show(rows: Rows, cause: bool) -> Shown:
    part = rows.first(_POSITIVES, _DRAWN)
    hard = part.scores.max() + torch.linspace(0.1, 1, _MINED)
    scores = torch.cat([part.scores, hard])
    targets = torch.cat([part.targets, torch.zeros(_MINED, dtype=torch.int64)])
    drawn = torch.arange(len(targets)) < len(part)
    loss = library().PAUCAtBudgetLoss(1, beta=0.2, surrogate="pairwise", queue_size=0)
    _, gradient = slope(loss, Rows(scores, targets), iid_mask=drawn if cause else None)
    pushed = int((gradient[len(part) :] != 0).sum())
    return Shown(
        f"less than {_FEW:.0%} of {_MINED} mined negatives with a gradient, as iid_mask leaves them out",
        f"{pushed} of {_MINED}",
        pushed < _FEW * _MINED,
    )


SYMPTOM = Symptom(
    covers=("B18", "PA-7"),
    claim=(
        "With iid_mask the band of the pairwise partial AUC ends at the highest drawn negative, so the"
        " mined ones above it, the hardest, are not pushed down."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
