"""Steps whose pool holds no positive train nothing."""

from __future__ import annotations

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BATCH, _QUEUE = 16, 2048
_MOST = 0.5


def _show(rows: Rows, cause: bool) -> Shown:
    loss = SmoothAPLoss(1, 0 if cause else _QUEUE, 0.1)
    steps = len(rows) // _BATCH
    idle = 0
    for step in range(steps):
        value, gradient = slope(loss, rows.take(slice(step * _BATCH, (step + 1) * _BATCH)))
        idle += value == 0 and not gradient.any()
    return Shown(
        f"loss 0.0 and no gradient in more than {_MOST:.0%} of the steps of {_BATCH} rows",
        f"so in {idle} of {steps} steps, with a queue of {loss.queue_size} rows",
        idle > _MOST * steps,
    )


SYMPTOM = Symptom(
    covers=("DX-3", "AP-11", "OV-2", "SL-9"),
    claim=(
        "Where most batches hold no positive and no queue adds any, most steps cost exactly 0 and train"
        " nothing, so the rare class never improves."
    ),
    show=_show,
    rows=made(6000, 0.005),
    takes_scores=True,
)
