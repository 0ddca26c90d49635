"""Rows of several files in the order of training, in blocks of even size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.evidence import ScoreBlock

__all__ = ["evened", "merged"]

Key = tuple[int, int]


def merged(streams: Sequence[Iterable[ScoreBlock]]) -> Iterator[ScoreBlock]:
    """Merge streams by step; rows of one step keep the order of the streams, and that within each.

    Where the steps of a stream fall back, as after a restart, what follows is merged with what follows in
    the others.

    Parameters
    ----------
    streams
        Blocks that have steps.
    """
    heads = [_Head(iter(stream)) for stream in streams]
    while heads := [head for head in heads if head.fill()]:
        if len(heads) == 1:
            yield heads[0].take(heads[0].rows)
            continue
        bound = min(head.last for head in heads)
        parts = [part for head in heads if len(part := head.take(head.before(bound)))]
        if parts:
            step = np.concatenate([part.step for part in parts if part.step is not None])
            runs = np.concatenate([head.taken_runs for head in heads])
            yield _take(_joined(parts), np.lexsort((step, runs)))
            continue
        # One stream holds nothing but rows of the next step: it ends before the next stream has its turn.
        for head in heads:
            while head.fill() and (count := head.before(bound, side="right")):
                yield head.take(count)


def evened(blocks: Iterable[ScoreBlock], most: int) -> Iterator[ScoreBlock]:
    """Join and split blocks: each has at most `most` rows, and any two neighbours together have more."""
    waiting: list[ScoreBlock] = []
    rows = 0
    for block in blocks:
        for start in range(0, len(block), most):
            part = block if len(block) <= most else _take(block, slice(start, start + most))
            if rows + len(part) > most:
                yield _joined(waiting)
                waiting, rows = [], 0
            waiting.append(part)
            rows += len(part)
    if waiting:
        yield _joined(waiting)


class _Head:
    """Where the merge stands in one stream.

    Attributes
    ----------
    taken_runs
        How often the steps had fallen back before each of the rows that were taken last.
    """

    def __init__(self, stream: Iterator[ScoreBlock]) -> None:
        self._stream = stream
        self._block: ScoreBlock | None = None
        self._start = 0
        self._runs: NDArray[np.int64] = np.zeros(0, np.int64)
        self._steps: NDArray[np.int64] = np.zeros(0, np.int64)
        self.taken_runs = self._runs

    @property
    def rows(self) -> int:
        """Rows that are held."""
        return len(self._steps) - self._start

    @property
    def last(self) -> Key:
        """Key of the last row that is held."""
        return int(self._runs[-1]), int(self._steps[-1])

    def fill(self) -> bool:
        """Hold at least one row; return False at the end of the stream."""
        while not self.rows:
            self._block = next(self._stream, None)
            if self._block is None:
                return False
            steps = self._block.step
            assert steps is not None  # noqa: S101  merged is called for dumps with steps
            if not len(steps):
                continue
            run, before = self.last if len(self._steps) else (0, int(steps[0]))
            falls = steps < np.concatenate([[before], steps[:-1]])  # a difference could overflow
            self._runs, self._steps, self._start = run + np.cumsum(falls), steps, 0
        return True

    def before(self, bound: Key, side: Literal["left", "right"] = "left") -> int:
        """Return how many of the held rows come before `bound`; with `side` right, those at it count too."""
        runs, steps = self._runs[self._start :], self._steps[self._start :]
        first, end = np.searchsorted(runs, [bound[0], bound[0] + 1])
        return int(first + np.searchsorted(steps[first:end], bound[1], side))

    def take(self, count: int) -> ScoreBlock:
        """Return the next rows."""
        assert self._block is not None  # noqa: S101  filled before
        rows = slice(self._start, self._start + count)
        self._start = rows.stop
        self.taken_runs = self._runs[rows]
        return _take(self._block, rows)


def _take(block: ScoreBlock, rows: slice | NDArray[Any]) -> ScoreBlock:
    return replace(
        block,
        **{f.name: values[rows] for f in fields(block) if (values := getattr(block, f.name)) is not None},
    )


def _joined(blocks: Sequence[ScoreBlock]) -> ScoreBlock:
    first = blocks[0]
    if len(blocks) == 1:
        return first
    return replace(
        first,
        **{
            f.name: np.concatenate([getattr(block, f.name) for block in blocks])
            for f in fields(first)
            if getattr(first, f.name) is not None
        },
    )
