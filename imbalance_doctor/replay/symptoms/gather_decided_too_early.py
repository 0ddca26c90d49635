"""A forward before the processes know each other turns gathering off for good."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms._workers import workers
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_WORKERS, _SHARD = 2, 100


def _show(rows: Rows, cause: bool) -> Shown:
    rows = rows.head(_WORKERS * _SHARD)
    parts = [rows.take(slice(rank * _SHARD, (rank + 1) * _SHARD)) for rank in range(_WORKERS)]
    losses = [library().SmoothAPLoss(1, 0, 0.1, gather_distributed=True) for _ in parts]
    if cause:
        for loss, part in zip(losses, parts, strict=True):
            slope(loss, part)
    values = workers(_WORKERS, lambda rank: slope(losses[rank], parts[rank])[0])
    return Shown(
        "workers that print different losses, although gather_distributed is True",
        ", ".join(f"{value:.4f}" for value in values),
        max(values) - min(values) > 1e-6,  # noqa: PLR2004  rounding
    )


SYMPTOM = Symptom(
    covers=("B2", "DX-11"),
    claim=(
        "imbalanced-losses decides at its first forward whether to gather: one call before"
        " init_process_group, for a sanity check, leaves every worker to its own shard for ever."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
