"""The reference library's gathered losses train on 1/W of the gradient under data-parallel averaging."""

from __future__ import annotations

import torch
from torch import Tensor

from imbalance_doctor.replay.symptoms._parts import library, made, norm, share, slope
from imbalance_doctor.replay.symptoms._workers import workers
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_WORKERS, _SHARD = 4, 100
_TOLERANCE = 0.01


def _show(rows: Rows, cause: bool) -> Shown:
    rows = rows.head(_WORKERS * _SHARD)
    temperature = 0.1 * rows.scores.std().item()

    def gradient(part: Rows) -> Tensor:
        return slope(library().SmoothAPLoss(1, 0, temperature), part)[1]

    parts = [rows.take(slice(rank * _SHARD, (rank + 1) * _SHARD)) for rank in range(_WORKERS)]
    gathered = torch.cat(workers(_WORKERS, lambda rank: gradient(parts[rank])))
    remedy = 1 if cause else _WORKERS  # the loss times W
    ratio = share(remedy * norm(gathered / _WORKERS), norm(gradient(rows)))
    return Shown(
        f"the averaged gradient of {_WORKERS} workers is 1 / {_WORKERS} of that of one process",
        f"{ratio:.4f} of it" + ("" if cause else f", with the loss times {_WORKERS}"),
        abs(ratio - 1 / _WORKERS) < _TOLERANCE,
    )


SYMPTOM = Symptom(
    covers=("B1", "OV-1"),
    claim=(
        "Gathered losses of imbalanced-losses give each worker the gradient of its own rows only, which"
        " averaging over W workers then divides by W."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
