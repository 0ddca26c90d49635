"""Ignored rows take room in the queue, which then holds few rows of use."""

from __future__ import annotations

import torch

from imbalance_doctor.replay.symptoms._parts import library, made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_QUEUE, _PADDING = 100, 0.9
_SCARCE = 0.2


def _show(rows: Rows, cause: bool) -> Shown:
    rows = rows.head(4 * _QUEUE)
    loss = library().SmoothAPLoss(1, _QUEUE)
    ignored = torch.arange(len(rows)) % 10 != 0 if cause else torch.zeros(len(rows), dtype=torch.bool)
    targets = torch.where(ignored, loss.ignore_index, rows.targets)
    for low in range(0, 4 * _QUEUE, _QUEUE):
        loss(rows.scores[low : low + _QUEUE, None], targets[low : low + _QUEUE])
    held = int((loss._queue._q_targets != loss.ignore_index).sum())  # noqa: SLF001
    return Shown(
        f"less than {_SCARCE:.0%} of the queue of use, as {_PADDING:.0%} of all rows are padding",
        f"{held} of {_QUEUE} rows",
        held < _SCARCE * _QUEUE,
    )


SYMPTOM = Symptom(
    covers=("B12", "AP-5"),
    claim=(
        "The queue of imbalanced-losses stores ignored rows too, so padding shrinks the pool to its share"
        " of real rows."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
    reference=True,
)
