"""Where three quarters of the scores are equal the interquartile range is 0 and the class is skipped."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]


def _show(rows: Rows, cause: bool) -> Shown:
    level = rows.negatives.quantile(0.8)
    inflated = Rows(rows.scores.clamp(min=level), rows.targets)
    loss = library().PAUCAtBudgetLoss(1, beta=0.1, queue_size=0, tau_scale="iqr" if cause else "band")
    value, gradient = slope(loss, inflated)
    return Shown(
        "loss exactly 0.0 and no gradient, as 80 % of the negatives score alike",
        f"loss {value:.4f}, gradient {norm(gradient):.2g}, with tau_scale {loss.tau_scale!r}",
        value == 0 and not gradient.any(),
    )


SYMPTOM = Symptom(
    covers=("B19", "PA-4", "DX-8"),
    claim=(
        "Scores of which three quarters are equal, as after a ReLU, have no interquartile range: the"
        " partial AUC skips the class, where tau_scale 'band' works."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
