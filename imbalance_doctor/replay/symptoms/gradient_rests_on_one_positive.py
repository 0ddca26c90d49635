"""One live positive among many stored ones carries a fraction of the gradient."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import PAUCAtBudgetLoss
from imbalance_doctor.replay.symptoms._parts import made, share
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_POSITIVES, _NEGATIVES = 40, 1000
_WEAK = 0.1


def _live(live: Rows, stored: Rows | None) -> tuple[float, int]:
    loss = PAUCAtBudgetLoss(1, beta=0.1, queue_size=0 if stored is None else len(stored), temperature=1.0)
    if stored is not None:
        loss(stored.scores[:, None], stored.targets)
    x = live.scores.clone().requires_grad_()
    value, told = loss(x[:, None], live.targets, None, False, True)
    value.backward()
    assert x.grad is not None  # noqa: S101  there is a live positive
    return x.grad[live.targets == 1].abs().sum().item(), int(told["grad_pos_count"])


def _show(rows: Rows, cause: bool) -> Shown:
    pool = rows.first(_POSITIVES, _NEGATIVES)
    whole, _ = _live(pool, None)
    lone = torch.arange(len(pool)) >= _POSITIVES - 1  # the last positive, and all negatives
    found, count = _live(pool.take(lone), pool.take(~lone)) if cause else _live(pool, None)
    left = share(found, whole)
    return Shown(
        f"grad_pos_count 1 and less than {_WEAK:.0%} of the gradient of the same pool, all of it live",
        f"grad_pos_count {count} and {left:.1%}, with {_POSITIVES} positives in the pool",
        count == 1 and left < _WEAK,
    )


SYMPTOM = Symptom(
    covers=("DX-9", "PA-8", "PA-9"),
    claim=(
        "The mean over positives runs over stored ones too, which have no gradient: with one live"
        " positive among many in the queue the partial AUC hardly pulls."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
