"""alpha 0 takes every positive out of the sigmoid focal loss; to turn alpha off is -1."""

from __future__ import annotations

from imbalance_doctor.losses import SigmoidFocalLoss
from imbalance_doctor.replay.symptoms._parts import made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    alpha = 0.0 if cause else -1.0
    x = rows.scores.clone().requires_grad_()
    SigmoidFocalLoss(alpha=alpha)(x, rows.targets).backward()
    assert x.grad is not None  # noqa: S101  every row has one
    size = x.grad.abs()
    share = (size[rows.targets == 1].sum() / size.sum()).item()
    return Shown(
        "exactly none of the gradient on positives",
        f"{share:.2%} of the gradient on positives at alpha {alpha:g}",
        share == 0,
    )


SYMPTOM = Symptom(
    covers=("X-2", "G-7"),
    claim=(
        "To test a sigmoid focal loss with alpha 0 is to train on negatives only: every positive has"
        " weight 0; alpha is turned off by -1."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
