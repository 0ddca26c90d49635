"""Rows gathered by hand are gathered again, so the pool holds each row W times."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made
from imbalance_doctor.replay.symptoms._workers import workers
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_WORKERS, _SHARD = 2, 100


def _show(rows: Rows, cause: bool) -> Shown:
    rows = rows.head(_WORKERS * _SHARD)
    parts = [rows.take(slice(rank * _SHARD, (rank + 1) * _SHARD)) for rank in range(_WORKERS)]

    def stored(rank: int) -> int:
        own = library()
        loss = own.SmoothAPLoss(1, 4 * _WORKERS * _SHARD, gather_distributed=None if cause else False)
        loss(
            own.all_gather_with_grad(parts[rank].scores[:, None]), own.all_gather_no_grad(parts[rank].targets)
        )
        return int((loss._queue._q_targets != loss.ignore_index).sum())  # noqa: SLF001

    count, once = workers(_WORKERS, stored)[0], _WORKERS * _SHARD
    return Shown(
        f"{_WORKERS * once} rows in the queue after one step of {once} rows",
        f"{count} rows",
        count == _WORKERS * once,
    )


SYMPTOM = Symptom(
    covers=("B3", "OV-1"),
    claim=(
        "Gathering rows by hand, as the README of imbalanced-losses shows, and leaving gather_distributed"
        " at its default gathers them twice: every row counts W times."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
