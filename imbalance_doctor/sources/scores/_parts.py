"""What a reader hands over: one file as a stream of pieces, not yet judged as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreKind, ScoreScale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("step", "epoch", "rank", "sample", "iid")
"""What a dump may tell of a row beside its scores and its target."""

MOST_CLASSES = 100_000
_MOST_ROWS = 262_144
_MOST_BYTES = 32 * 2**20
_WIDEST_VALUE = 8


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a dump is to be read; see `read_scores`."""

    scores_are: ScoreScale | None = None
    targets: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Some rows of one file.

    Attributes
    ----------
    scores
        Float32 or float64, [N, W].
    targets
        As stored, of any real dtype: [N], or [N, T] with T > 1.
    columns
        By a name of `COLUMNS`, as stored, [N] each.
    lines
        One-based lines of a text file, [N].
    """

    scores: NDArray[Any]
    targets: NDArray[Any]
    columns: Mapping[str, NDArray[Any]]
    lines: NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """One file of a dump.

    Attributes
    ----------
    where
        How errors call it.
    width
        Columns of scores.
    target_width
        Columns of targets; 1 where each row has one target.
    columns
        Those of `COLUMNS` that every piece has.
    pieces
        Yields all rows anew, at most so many at a time.
    scale, kind, ignore_index
        What the file says of itself.
    assumptions
        What had to be assumed in reading, as sentences for the report.
    """

    where: str
    width: int
    target_width: int
    columns: frozenset[str]
    pieces: Callable[[int], Iterator[Piece]]
    scale: ScoreScale | None = None
    kind: ScoreKind | None = None
    ignore_index: int | None = None
    assumptions: tuple[str, ...] = ()


class NothingRecordedError(InputError):
    """A file of the recorder in which not even the first block is complete."""


def rows_per_block(width: int, streams: int = 1) -> int:
    """Return how many rows may be held at once where `streams` files are read side by side.

    >>> rows_per_block(1), rows_per_block(1000), rows_per_block(1, streams=8)
    (262144, 4194, 32768)
    """
    return max(1, min(_MOST_ROWS, _MOST_BYTES // (_WIDEST_VALUE * width)) // streams)
