"""A second pass over a batch in training mode ranks it against itself, even without gradient."""

from __future__ import annotations

import torch

from imbalance_doctor.replay.symptoms._parts import library, made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BATCH, _STORED = 100, 400


def _show(rows: Rows, cause: bool) -> Shown:
    rows = rows.head(_STORED + _BATCH)
    loss = library().SmoothAPLoss(1, 2 * _STORED, 0.1)
    loss(rows.scores[:_STORED, None], rows.targets[:_STORED])
    at = slice(_STORED, _STORED + _BATCH)
    with torch.no_grad():
        loss.train(cause)  # a pass for a metric, which should be made in eval mode
        loss(rows.scores[at, None], rows.targets[at])
        loss.train()
        loss(rows.scores[at, None], rows.targets[at])
    stored = int((loss._queue._q_targets != loss.ignore_index).sum())  # noqa: SLF001
    return Shown(
        f"{_STORED + 2 * _BATCH} rows in the queue: the batch of {_BATCH} twice",
        f"{stored} rows",
        stored == _STORED + 2 * _BATCH,
    )


SYMPTOM = Symptom(
    covers=("B14",),
    claim=(
        "A pass for a metric in training mode enters the queue, under no_grad too, and the next pass"
        " ranks the batch against its own copy."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
