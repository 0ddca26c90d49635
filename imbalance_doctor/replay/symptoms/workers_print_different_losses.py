"""Workers that rank their own shard alone print different losses, which are too low."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import made, slope
from imbalance_doctor.replay.symptoms._workers import workers
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_WORKERS, _SHARD = 8, 64
_APART = 0.02


def _show(rows: Rows, cause: bool) -> Shown:
    rows = rows.head(_WORKERS * _SHARD)
    temperature = 0.1 * rows.scores.std().item()
    shards = [rows.take(slice(r * _SHARD, (r + 1) * _SHARD)) for r in range(_WORKERS)]
    gather = False if cause else None
    values = torch.tensor(
        workers(
            _WORKERS,
            lambda rank: slope(SmoothAPLoss(1, 0, temperature, gather_distributed=gather), shards[rank])[0],
        )
    )
    whole, _ = slope(SmoothAPLoss(1, 0, temperature), rows)
    return Shown(
        f"losses of {_WORKERS} workers with a spread above {_APART}",
        f"from {values.min():.3f} to {values.max():.3f}, mean {values.mean():.3f}; whole batch {whole:.3f}",
        values.std().item() > _APART,
    )


SYMPTOM = Symptom(
    covers=("DX-11", "OV-1"),
    claim=(
        "Without gathering each worker ranks its own shard, so the workers print different losses, too"
        " low where a shard holds few positives or none."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
