"""With every positive above its threshold the recall loss and its gradient vanish: it is done."""

from __future__ import annotations

from imbalance_doctor.losses import RecallAtQuantileLoss
from imbalance_doctor.replay.symptoms._parts import made, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_WIDE, _NARROW = 2.0, 0.5
_NOTHING = 1e-3


def _show(rows: Rows, cause: bool) -> Shown:
    prevalence = len(rows.positives) / len(rows)
    quantile = min((_WIDE if cause else _NARROW) * prevalence, 0.5)
    temperature = 0.01 * rows.scores.std().item()
    loss, gradient = slope(RecallAtQuantileLoss(1, quantile, 0, temperature), rows)
    size = norm(gradient)
    return Shown(
        f"loss and gradient below {_NOTHING:g}, as the quantile {quantile:.3g} takes in all positives",
        f"loss {loss:.4f}, gradient {size:.2g} at a prevalence of {prevalence:.3g}",
        loss < _NOTHING and size < _NOTHING,
    )


SYMPTOM = Symptom(
    covers=("DX-5", "RQ-4"),
    claim=(
        "Once all positives lie above the quantile of Recall-at-Quantile, its loss and its gradient are"
        " near zero: a stall at that level is success, not a fault."
    ),
    show=_show,
    rows=made(gap=12.0),
    takes_scores=True,
)
