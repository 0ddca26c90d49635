"""From pieces as stored to blocks of a dump: each value checked, in every pass over the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreBlock, ScoreKind, ScoreScale
from imbalance_doctor.sources.labels.base import reading
from imbalance_doctor.sources.scores._parts import Piece, Source

ROUNDING = 1e-6
"""How far a probability may lie outside [0, 1]: sums and means of float32 do."""

_PAIR = 2


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the pieces of all files are to be read.

    Attributes
    ----------
    scale
        None while it is not settled.
    columns
        Those that all files have.
    pairs
        Leave the two columns of a binary problem as they are.
    """

    kind: ScoreKind
    scale: ScoreScale | None
    ignore_index: int
    columns: frozenset[str]
    pairs: bool = False


def blocks(source: Source, how: Reading, most: int) -> Iterator[ScoreBlock]:
    """Yield the rows of one file, at most so many at a time.

    Raises
    ------
    InputError
        A target or another number cannot be what it should be, or the file cannot be read.
    """
    first = 0
    with reading(source.where):
        for piece in source.pieces(most):
            place = _Place(source.where, first, piece.lines)
            columns = {name: piece.columns[name] for name in how.columns}
            whole = {n: _whole(v, n, place) for n, v in columns.items() if n in {"step", "rank", "sample"}}
            yield ScoreBlock(
                scores=_scores(piece, how, place),
                targets=_targets(piece, source, how, place),
                step=whole.get("step"),
                rank=whole.get("rank"),
                sample=whole.get("sample"),
                epoch=_epochs(columns["epoch"], place) if "epoch" in columns else None,
                iid=_flags(columns["iid"], place) if "iid" in columns else None,
            )
            first += len(piece.scores)


@dataclass(frozen=True)
class _Place:
    """Where a piece stands, for errors."""

    where: str
    first: int
    lines: NDArray[np.int64] | None

    def error(self, expected: str, got: str, wrong: NDArray[np.bool_], hint: str = "") -> InputError:
        """Return the error about the first row in which `wrong` holds."""
        index = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
        if self.lines is not None:
            line = int(self.lines[index])
            return InputError(f"expected {expected}, but got {got}", where=self.where, line=line, hint=hint)
        row = f"{self.first + index:,}"
        return InputError(
            f"expected {expected}, but got {got} in row {row} (counted from 0)", where=self.where, hint=hint
        )


def outside(scores: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which scores cannot be probabilities; NaN could be anything."""
    found: NDArray[np.bool_] = (scores < -ROUNDING) | (scores > 1 + ROUNDING)
    return found


def _scores(piece: Piece, how: Reading, place: _Place) -> NDArray[Any]:
    scores = piece.scores
    if how.scale == "probabilities":
        wrong = outside(scores)
        if wrong.any():
            raise place.error(
                "probabilities from 0 to 1",
                f"{scores[wrong][0]:.6g}",
                wrong,
                "logits are declared with --scores-are logits",
            )
        scores = np.clip(scores, 0, 1)
    if how.kind == "binary" and scores.shape[1] == _PAIR and not how.pairs:
        if how.scale == "probabilities":
            return scores[:, 1:]
        with np.errstate(invalid="ignore", over="ignore"):  # of infinite logits
            difference: NDArray[Any] = scores[:, 1:] - scores[:, :1]
            return difference
    return scores


def _whole(values: NDArray[Any], name: str, place: _Place, hint: str = "") -> NDArray[np.int64]:
    """Return whole numbers as int64."""
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            # -2**63 is a float64 and fits, 2**63 does not
            good = (np.floor(values) == values) & (np.abs(values) < 2.0**63)
        if not good.all():
            raise place.error(f"whole numbers as {name}", f"{values[~good][0]:.6g}", ~good, hint)
    elif values.dtype == np.uint64 and (large := values > np.iinfo(np.int64).max).any():
        raise place.error(f"{name} below 2**63", str(values[large][0]), large)
    return values.astype(np.int64, copy=False)


def _targets(piece: Piece, source: Source, how: Reading, place: _Place) -> NDArray[Any]:
    values = piece.targets
    if values.dtype.kind == "f" and (missing := np.isnan(values)).any():
        raise place.error("a target in every row", "NaN", missing, "remove rows without a target")
    ids = _whole(values, "targets", place, "save 0 and 1, or class ids: soft targets are not read")
    classes = source.width if how.kind == "multiclass" else _PAIR
    wrong = (ids < 0) | (ids >= classes)
    if wrong.any():
        wrong &= ids != how.ignore_index
    if wrong.any():
        got = int(ids[wrong][0])
        raise place.error(
            "targets 0 or 1" if classes == _PAIR else f"targets from 0 to {classes - 1:,}",
            f"{got}",
            wrong,
            _how_to_mend(got, classes),
        )
    if how.kind == "multilabel":
        small = np.iinfo(np.int8).min <= how.ignore_index <= np.iinfo(np.int8).max
        return ids.astype(np.int8) if small else ids
    return ids


def _how_to_mend(got: int, classes: int) -> str:
    ignore = f"--ignore-index {got} if it marks rows to leave out"
    if got == -1 and classes == _PAIR:
        return f"save y > 0 if -1 marks negatives, or give {ignore}"
    if got == classes:
        return f"save y - 1 if the classes are numbered from 1, or give {ignore}"
    return f"give {ignore}"


def _epochs(values: NDArray[Any], place: _Place) -> NDArray[np.float64]:
    epochs = values.astype(np.float64, copy=False)
    good = np.isfinite(epochs)
    if not good.all():
        raise place.error("an epoch in every row", f"{epochs[~good][0]}", ~good)
    return epochs


def _flags(values: NDArray[Any], place: _Place) -> NDArray[np.bool_]:
    good = (values == 0) | (values == 1)
    if not good.all():
        raise place.error("0 or 1 as iid", f"{values[~good][0]:.6g}", ~good)
    return values.astype(np.bool_)
