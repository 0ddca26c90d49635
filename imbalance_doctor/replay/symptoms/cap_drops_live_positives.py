"""The cap draws from the pool without regard to the live batch, so steps lose all live positives."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BATCH, _POSITIVES, _QUEUE, _SIZE, _STEPS = 32, 2, 8192, 1024, 50
_MOST = 0.3


def _show(rows: Rows, cause: bool) -> Shown:
    temperature = rows.scores.std().item()
    loss = library().RecallAtQuantileLoss(
        1, 0.3, queue_size=_QUEUE, temperature=temperature, max_pool_size=_SIZE if cause else None
    )
    loss(rows.scores[:, None], rows.targets)
    batch = rows.first(_POSITIVES, _BATCH - _POSITIVES)
    idle = sum(not slope(loss, batch)[1].any() for _ in range(_STEPS))
    return Shown(
        f"no gradient at all in more than {_MOST:.0%} of the steps, each with {_POSITIVES} live positives",
        f"so in {idle} of {_STEPS} steps, with a pool of {_QUEUE + _BATCH} rows",
        idle > _MOST * _STEPS,
    )


SYMPTOM = Symptom(
    covers=("B8", "AP-7", "DX-9"),
    claim=(
        "The cap of imbalanced-losses draws rows without regard to which are live: many steps keep no"
        " live positive and train nothing."
    ),
    show=_show,
    rows=made(8192, 0.2),
    reference=True,
)
