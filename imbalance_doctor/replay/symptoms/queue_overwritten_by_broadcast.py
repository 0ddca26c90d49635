"""A loss inside the wrapped module loses its queue to the first worker's at every forward."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BATCH, _STEPS = 50, 4


def _show(rows: Rows, cause: bool) -> Shown:
    rows = rows.head(2 * _STEPS * _BATCH)
    losses = [library().SmoothAPLoss(1, 2 * _BATCH, 0.1, gather_distributed=False) for _ in range(2)]
    own, mine = 0, rows.scores[:0]
    for step in range(_STEPS):
        # DistributedDataParallel copies the buffers of the first worker to the others before each forward.
        if cause:
            losses[1].load_state_dict(losses[0].state_dict())
        last = losses[1]._queue._q_logits.flatten()  # noqa: SLF001
        for rank, loss in enumerate(losses):
            low = (2 * step + rank) * _BATCH
            part = rows.take(slice(low, low + _BATCH))
            if rank and step:
                own = int((last[:, None] == mine).any(1).sum())
            slope(loss, part)
            if rank:
                mine = part.scores
    return Shown(
        "none of the rows that the second worker ranks against are its own of the step before",
        f"{own} of {_BATCH} rows of its last batch in its queue",
        own == 0,
    )


SYMPTOM = Symptom(
    covers=("B22",),
    claim=(
        "A loss inside the module that DistributedDataParallel wraps loses its queue at each forward:"
        " with broadcast_buffers the first worker's rows take its place."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
