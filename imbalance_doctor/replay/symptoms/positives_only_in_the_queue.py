"""With positives in the queue only, the recall loss is above 0 and its gradient exactly 0."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BATCH, _QUEUE = 64, 1000


def _show(rows: Rows, cause: bool) -> Shown:
    temperature = rows.scores.std().item()
    loss = library().RecallAtQuantileLoss(1, 0.1, queue_size=_QUEUE, temperature=temperature)
    loss(rows.scores[:, None], rows.targets)
    live = 0 if cause else 3
    value, gradient = slope(loss, rows.first(live, _BATCH - live))
    return Shown(
        "a loss above 0 and a gradient of exactly 0, as the batch holds no positive",
        f"loss {value:.4f}, gradient {norm(gradient):.3g}, with {live} live positives",
        value > 0 and not gradient.any(),
    )


SYMPTOM = Symptom(
    covers=("B11", "DX-3", "DX-9"),
    claim=(
        "Stored positives keep the recall loss above 0 and send no gradient: a batch without live"
        " positives trains nothing while its loss looks alive."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
