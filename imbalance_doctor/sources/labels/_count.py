"""Counts the distinct values of an array block by block, near memory bandwidth.

Three ways, cheapest first, each falling back to the next for a block it cannot hold:

1. few classes: one vectorised comparison per class, in cache (up to eight, of 64 bits up to four);
2. at most 256 neighbouring values: narrowed to bytes, two bytes counted at a time by one ``bincount``;
3. anything else: ``bincount`` of small ids, at last ``unique``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CLASSES = 100_000
BLOCK = 1 << 17
_CACHE_BYTES = 1 << 18
_FEW_BYTES = 8
_FEW_WIDE_BYTES = 32
_BYTE_VALUES = 256
_SIGNED = 128
_SMALL_IDS = 1 << 17


class _Bytes:
    """Counts single bytes."""

    def __init__(self) -> None:
        self._single = np.zeros(_BYTE_VALUES, np.int64)
        self._pairs = np.zeros(_BYTE_VALUES**2, np.int64)
        self._mask = np.empty(2 * BLOCK, np.bool_)
        self._known: list[int] | None = []

    def add(self, block: NDArray[np.uint8]) -> None:
        for start in range(0, len(block), 2 * BLOCK):
            self._add(block[start : start + 2 * BLOCK])

    def _add(self, block: NDArray[np.uint8]) -> None:
        if self._known:
            found, left = [], len(block)
            for code in self._known:
                found.append(int(np.count_nonzero(np.equal(block, code, out=self._mask[: len(block)]))))
                left -= found[-1]
                if not left:
                    self._single[self._known[: len(found)]] += found
                    return
        even = len(block) & ~1
        if even < len(block):
            self._single[block[-1]] += 1
        pairs = np.bincount(block[:even].view(np.uint16))
        self._pairs[: len(pairs)] += pairs
        if self._known is not None:
            counts = self.counts()
            seen = np.argsort(-counts)[: np.count_nonzero(counts)]
            self._known = seen.tolist() if len(seen) <= _FEW_BYTES else None

    def counts(self) -> NDArray[np.int64]:
        grid = self._pairs.reshape(_BYTE_VALUES, _BYTE_VALUES)
        total: NDArray[np.int64] = self._single + grid.sum(0) + grid.sum(1)
        return total


class ValueCounter:
    """Counts the values of an integer, bool or float array given in blocks.

    Floats must be whole numbers; what is not is recorded instead of raised, so that several threads
    can count and the first offender of the whole array can be named.

    Attributes
    ----------
    not_finite
        How many values are NaN or infinite, and the index of the first one.
    not_whole
        Index and value of the first number that is no class id; None so far.
    full
        True as soon as there are more than `MOST_CLASSES` distinct values, or a `not_whole` one:
        counting on is pointless.
    """

    def __init__(self) -> None:
        self.not_finite: tuple[int, int] = (0, -1)
        self.not_whole: tuple[int, float] | None = None
        self.full = False
        self._bytes: dict[int, _Bytes] = {}
        self._small = np.zeros(0, np.int64)
        self._rest: dict[int, int] = {}
        self._few: list[int] | None = []
        self._mask = np.empty(_CACHE_BYTES, np.bool_)
        self._narrowed = np.empty(BLOCK, np.uint8)

    def add(self, values: NDArray[Any], start: int) -> None:
        """Count `values`: one-dimensional, native byte order, beginning at index `start` of the array."""
        if values.dtype.itemsize == 1:
            base = -_SIGNED if values.dtype.kind == "i" else 0
            self._bytes_of(base).add(values.view(np.uint8))
            return
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        step = _CACHE_BYTES // values.dtype.itemsize
        at = 0
        while at < len(values) and not self.full:
            if self._few and self._add_few(values[at : at + step]):
                at += step
                continue
            self._add_block(values[at : at + BLOCK], start + at)
            at += BLOCK
            if self._few is not None:
                seen = self.counts()
                few = min(_FEW_BYTES, _FEW_WIDE_BYTES // values.dtype.itemsize)
                self._few = sorted(seen, key=lambda v: -seen[v]) if len(seen) <= few else None

    def counts(self) -> dict[int, int]:
        """Return how often each value was seen."""
        counts = dict(self._rest)
        for base, counter in self._bytes.items():
            held = counter.counts()
            for code in np.flatnonzero(held).tolist():
                value = base + (code - base) % _BYTE_VALUES
                counts[value] = counts.get(value, 0) + int(held[code])
        for shifted in np.flatnonzero(self._small).tolist():
            value = shifted - _SIGNED
            counts[value] = counts.get(value, 0) + int(self._small[shifted])
        return counts

    def _bytes_of(self, base: int) -> _Bytes:
        if base not in self._bytes:
            self._bytes[base] = _Bytes()
        return self._bytes[base]

    def _add_few(self, block: NDArray[Any]) -> bool:
        assert self._few is not None  # noqa: S101  the caller has just looked
        found, left = [], len(block)
        for value in self._few:
            found.append(int(np.count_nonzero(np.equal(block, value, out=self._mask[: len(block)]))))
            left -= found[-1]
            if not left:
                for known, count in zip(self._few, found, strict=False):
                    self._rest[known] = self._rest.get(known, 0) + count
                return True
        return False

    def _add_block(self, block: NDArray[Any], start: int) -> None:
        base = self._narrow_small(block)
        if base is None:
            if block.dtype.kind == "f":
                block = self._checked_floats(block, start)
            base = self._narrow(block)
        if base is not None:
            self._bytes_of(base).add(self._narrowed[: len(block)])
        elif len(block):
            self._add_wide(block)

    def _narrow_small(self, block: NDArray[Any]) -> int | None:
        """Narrow whole numbers from 0 to 255 to bytes; return 0, or None when there are others."""
        floating = block.dtype.kind == "f"
        back = np.empty(_CACHE_BYTES // block.dtype.itemsize if floating else 0, block.dtype)
        for part, at in _parts(block, _CACHE_BYTES // block.dtype.itemsize):
            narrow = self._narrowed[at : at + len(part)]
            if not floating:
                if not 0 <= np.bitwise_or.reduce(part) < _BYTE_VALUES:
                    return None
                np.copyto(narrow, part, casting="unsafe")
                continue
            with np.errstate(invalid="ignore"):
                np.copyto(narrow, part, casting="unsafe")
            np.copyto(back[: len(part)], narrow)
            if not np.equal(back[: len(part)], part, out=self._mask[: len(part)]).all():
                return None
        return 0

    def _narrow(self, block: NDArray[np.integer[Any]]) -> int | None:
        """Narrow integers to bytes; return the least value they stand for, None when they span too much."""
        if not len(block):
            return None
        low, high = int(block.min()), int(block.max())
        if high - low >= _BYTE_VALUES:
            return None
        # Wraps around modulo 256, which is reversible in a range of 256 values.
        np.copyto(self._narrowed[: len(block)], block, casting="unsafe")
        return -_SIGNED if low >= -_SIGNED and high < _SIGNED else low

    def _add_wide(self, block: NDArray[Any]) -> None:
        if block.min() >= -_SIGNED and block.max() < _SMALL_IDS - _SIGNED:
            counts = np.bincount(block.astype(np.intp) + _SIGNED)
            if not len(self._small):
                self._small = np.zeros(_SMALL_IDS, np.int64)
            self._small[: len(counts)] += counts
            self.full |= int(np.count_nonzero(self._small)) > MOST_CLASSES
            return
        values, repeats = np.unique(block, return_counts=True)
        for value, count in zip(values.tolist(), repeats.tolist(), strict=True):
            self._rest[value] = self._rest.get(value, 0) + count
        self.full |= len(self._rest) > MOST_CLASSES

    def _checked_floats(self, block: NDArray[Any], start: int) -> NDArray[Any]:
        """Return the whole numbers before the first other one as int64, noting what is amiss."""
        finite = np.isfinite(block)
        if not finite.all():
            count, first = self.not_finite
            bad = np.flatnonzero(~finite)
            self.not_finite = (count + len(bad), first if count else start + int(bad[0]))
        whole = finite & (np.trunc(block) == block) & (np.abs(block) <= 2.0**53)
        broken = np.flatnonzero(finite & ~whole)
        if len(broken):
            self.not_whole = (start + int(broken[0]), float(block[broken[0]]))
            self.full = True
        ids: NDArray[Any] = block[whole].astype(np.int64)
        return ids


class NameCounter:
    """Counts the values of a text array given in blocks."""

    def __init__(self) -> None:
        self.full = False
        self._counts: dict[str | bytes, int] = {}

    def add(self, values: NDArray[Any]) -> None:
        """Count `values`: one-dimensional, dtype ``S`` or ``U``."""
        for part, _ in _parts(values, BLOCK):
            names, repeats = np.unique(part, return_counts=True)
            for name, count in zip(names.tolist(), repeats.tolist(), strict=True):
                self._counts[name] = self._counts.get(name, 0) + count
            self.full = len(self._counts) > MOST_CLASSES
            if self.full:
                return

    def counts(self) -> dict[str, int]:
        """Return how often each name was seen.

        Raises
        ------
        UnicodeDecodeError
            A byte string is not UTF-8.
        """
        return {
            name.decode("utf-8") if isinstance(name, bytes) else name: count
            for name, count in self._counts.items()
        }


class ColumnCounter:
    """Counts the ones of each column of an array of zeros and ones given in blocks.

    Attributes
    ----------
    ones
        int64, shape [columns].
    zeros
        How many values are 0.
    one_hot
        Every row so far has exactly one 1; only looked at where asked for.
    dropped
        Rows left out because they carry the ignore index.
    """

    def __init__(self, rows: int, columns: int, *, fortran: bool, ignore: int | None, one_hot: bool) -> None:
        self.ones = np.zeros(columns, np.int64)
        self.zeros = 0
        self.one_hot = one_hot
        self.dropped = 0
        self._rows, self._columns, self._fortran = rows, columns, fortran
        self._ignore = ignore

    def add(self, values: NDArray[Any], start: int) -> bool:
        """Count `values`; return False, counting nothing, when they are not all 0 or 1."""
        if self._ignore is not None:
            grid = values.reshape(-1, self._columns)
            drop = (grid == self._ignore).any(axis=1)
            if drop.any():
                self.dropped += int(np.count_nonzero(drop))
                values = grid[~drop].reshape(-1)
        is_one = np.equal(values, 1)
        zeros = len(values) - int(np.count_nonzero(values))
        if int(np.count_nonzero(is_one)) + zeros != len(values):
            return False
        self.zeros += zeros
        if self._fortran:
            at = 0
            while at < len(values):
                column, row = divmod(start + at, self._rows)
                step = self._rows - row
                self.ones[column] += np.count_nonzero(is_one[at : at + step])
                at += step
        else:
            grid = is_one.view(np.uint8).reshape(-1, self._columns)
            self.ones += _column_sums(grid)
            if self.one_hot:
                self.one_hot = bool((np.count_nonzero(grid, axis=1) == 1).all())
        return True


def _column_sums(grid: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sum zeros and ones [rows, columns] over the rows, in bytes for as long as a byte can hold the sum."""
    rows, columns = grid.shape
    lap = max(1, 4096 // columns)  # rows side by side, so that the inner loop is long
    most = rows // lap
    wide = grid[: most * lap].reshape(most, lap * columns)
    total = np.zeros(lap * columns, np.int64)
    for part, _ in _parts(wide, _BYTE_VALUES - 1):
        total += np.add.reduce(part, axis=0, dtype=np.uint8)
    rest: NDArray[np.int64] = grid[most * lap :].sum(axis=0, dtype=np.int64)
    rest += total.reshape(lap, columns).sum(axis=0)
    return rest


def _parts(block: NDArray[Any], step: int) -> Iterator[tuple[NDArray[Any], int]]:
    for at in range(0, len(block), step):
        yield block[at : at + step], at
