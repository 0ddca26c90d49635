"""The rows of a dump in steps: logits, targets and what else a loss is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreBlock, ScoreDump

__all__ = ["Step", "logits", "steps"]

_CLIP = 1e-7  # about the spacing of single precision below 1


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of one step, or of several that are not divided yet.

    Attributes
    ----------
    number
        Of the step: as the dump counts, or 0, 1, ... where its rows are divided anew.
    scores
        Logits [N, C].
    targets
        int64 [N]; for multi-label dumps [N, C].
    at, epoch, iid
        Step, epoch and iid flag of each row, [N], or None.
    """

    number: int
    scores: NDArray[Any]
    targets: NDArray[np.int64]
    at: NDArray[np.int64] | None = None
    epoch: NDArray[np.float64] | None = None
    iid: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def part(self, low: int, high: int, number: int | None = None) -> Step:
        """Return the rows [low, high)."""
        return Step(
            self.number if number is None else number,
            self.scores[low:high],
            self.targets[low:high],
            None if self.at is None else self.at[low:high],
            None if self.epoch is None else self.epoch[low:high],
            None if self.iid is None else self.iid[low:high],
        )

    def followed_by(self, other: Step) -> Step:
        """Return the rows of both; a column that one of them lacks is left out."""

        def joined(mine: NDArray[Any] | None, its: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if mine is None or its is None else np.concatenate([mine, its])

        return Step(
            self.number,
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.targets, other.targets]),
            joined(self.at, other.at),
            joined(self.epoch, other.epoch),
            joined(self.iid, other.iid),
        )


def steps(dump: ScoreDump, rows: int | None) -> Iterator[Step]:
    """Yield the steps of a dump, reading it block by block.

    Parameters
    ----------
    rows
        Rows of a step; None: those in a row that the dump gives one number.

    Raises
    ------
    InputError
        The dump has no steps, and no size was given.
    """
    if rows is None and not dump.has_steps:
        raise InputError(
            "expected scores with a step for each row, but got none",
            where=dump.source,
            hint="give --batch-size",
        )
    left: Step | None = None  # rows of a step that the next block may go on with
    count = 0
    for block in dump.blocks():
        if not len(block):
            continue
        whole = _whole(dump, block)
        whole = whole if left is None else left.followed_by(whole)
        if rows is not None:
            cuts = list(range(0, len(whole), rows))
        else:
            assert whole.at is not None  # noqa: S101  has_steps
            cuts = [0, *(np.flatnonzero(np.diff(whole.at)) + 1).tolist()]
        for low, high in pairwise(cuts):
            yield whole.part(low, high, _number(whole, low, count, rows))
            count += 1
        left = whole.part(cuts[-1], len(whole))
    if left is not None:
        yield left.part(0, len(left), _number(left, 0, count, rows))


def _number(of: Step, low: int, count: int, rows: int | None) -> int:
    return count if rows is not None or of.at is None else int(of.at[low])


def _whole(dump: ScoreDump, block: ScoreBlock) -> Step:
    scores = block.scores if block.scores.ndim > 1 else block.scores[:, None]
    if dump.scale == "probabilities":
        scores = logits(scores, softmax=dump.kind == "multiclass")
    targets = np.asarray(block.targets, dtype=np.int64)
    return Step(0, np.ascontiguousarray(scores), targets, block.step, block.epoch, block.iid)


def logits(probabilities: NDArray[Any], *, softmax: bool) -> NDArray[Any]:
    """Return logits of probabilities, which are kept 1e-7 away from 0 and 1.

    >>> logits(np.array([0.5, 1.0]), softmax=False).round(2)
    array([ 0.  , 16.12])
    """
    p = np.clip(probabilities.astype(np.float64), _CLIP, 1 - _CLIP)
    found = np.log(p) if softmax else np.log(p) - np.log1p(-p)
    return found.astype(probabilities.dtype, copy=False)
