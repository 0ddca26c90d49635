"""The longer the queue, the weaker the gradient of the recall loss on live positives."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, norm, share, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_POSITIVES, _BATCH, _QUEUE = 3, 64, 1900
_WEAK = 0.2


def _show(rows: Rows, cause: bool) -> Shown:
    temperature = rows.scores.std().item()
    sizes = []
    for queue in (0, _QUEUE if cause else 0):
        loss = library().RecallAtQuantileLoss(1, 0.1, queue_size=queue, temperature=temperature)
        loss(rows.scores[:, None], rows.targets)
        sizes.append(norm(slope(loss, rows.first(_POSITIVES, _BATCH - _POSITIVES))[1]))
    left = share(sizes[1], sizes[0])
    return Shown(
        f"with a queue of {_QUEUE} rows less than {_WEAK:.0%} of the gradient on {_POSITIVES} live positives",
        f"{left:.1%} of the gradient without a queue, {sizes[0]:.3g}",
        left < _WEAK,
    )


SYMPTOM = Symptom(
    covers=("B10", "PA-9", "DX-3"),
    claim=(
        "Recall-at-Quantile divides by all pooled positives, of which only live ones have a gradient: a"
        " longer queue makes a rare class train more weakly, not better."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
