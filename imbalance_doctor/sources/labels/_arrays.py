"""Arrays that lie in files, from header to counts: what every binary format has in common."""

from __future__ import annotations

import itertools
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._count import MOST_CLASSES, ColumnCounter, NameCounter, ValueCounter
from imbalance_doctor.sources.labels._values import (
    SOFT_TARGETS,
    TOO_MANY,
    USUAL_NAMES,
    Options,
    from_indicator,
    from_names,
    from_values,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WINDOW = 16 * 2**20
_STREAM_BUFFER = 2**20
_THREADS_FROM = 2 * _WINDOW
_MOST_THREADS = 4
_MATRIX = 2
_LISTED = 20
_HINT_INTEGERS = "save class ids as integers"


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """An array as it lies in a file.

    Attributes
    ----------
    where
        How errors call it: the file, and the key inside it.
    dtype, shape, fortran
        As in a ``.npy`` header; `dtype` may have any byte order.
    path, offset
        Where its first byte lies, for an uncompressed array in a regular file.
    stream
        Where it is read from otherwise, positioned at its first byte.
    """

    where: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False
    path: str = ""
    offset: int = 0
    stream: IO[bytes] | None = None

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return self.size * self.dtype.itemsize

    def describe(self) -> str:
        """Return dtype and shape, short."""
        return f"{self.dtype} {list(self.shape)}"


def looks_like_labels(array: StoredArray) -> bool:
    """Tell whether this is the kind of array that labels are kept in: whole numbers in one dimension."""
    return array.dtype.kind in "biu" and sum(n != 1 for n in array.shape) == 1


def choose(
    keys: Sequence[str], options: Options, where: str, plain: Callable[[str], bool]
) -> tuple[str, tuple[str, ...]]:
    """Return the key of the labels in a file of several arrays, and what was assumed.

    The key that was asked for; else the only one, the only one with a usual name, or the only one
    for which `plain` holds.

    Raises
    ------
    InputError
        There is no such key, or more than one could be meant.
    """
    listed = ", ".join(keys[:_LISTED]) + (", ..." if len(keys) > _LISTED else "")
    if not keys:
        raise InputError("expected an array of labels, but the file holds none", where=where)
    if options.key is not None:
        if options.key in keys:
            return options.key, ()
        hint = did_you_mean(options.key, keys)
        raise InputError(f"expected the key '{options.key}', but found: {listed}", where=where, hint=hint)
    if len(keys) == 1:
        return keys[0], ()
    for candidates in ([k for k in keys if k.lower() in USUAL_NAMES], [k for k in keys if plain(k)]):
        if len(candidates) == 1:
            return candidates[0], (f"'{candidates[0]}' holds the labels (no key was named)",)
    raise InputError(
        f"expected one array of labels, but found several: {listed}", where=where, hint="name one with --key"
    )


def count_array(array: StoredArray, options: Options) -> LabelCounts:
    """Count the labels of one stored array.

    Raises
    ------
    InputError
        Its dtype, shape or values cannot be labels, or it is shorter than its header says.
    """
    _check_dtype(array)
    rows, per_row, told = _rows_and_columns(array, options)
    single = per_row == 1
    wanted = options.kind
    matrix = len(array.shape) == _MATRIX and not single
    textual = array.dtype.kind in "SU"
    if wanted == "indicator" and (textual or not (matrix or single)):
        raise InputError(
            f"expected an indicator array [N, C] of 0 and 1, but got {array.describe()}", where=array.where
        )
    if textual:
        return _count_names(array, options, per_row, told)
    columns = None
    if wanted == "indicator" or (matrix and wanted != "sequence"):
        if per_row <= MOST_CLASSES:
            columns = _Columns(rows=rows, columns=per_row, wanted=wanted)
        elif wanted is not None:
            raise InputError(
                f"expected at most {MOST_CLASSES:,} classes, but got {array.describe()}", where=array.where
            )
    result = _scan(array, columns, options)
    values = result.values()
    _check_values(array, result, values, per_row)
    if result.columns_alive and columns is not None:
        return _indicator(array, result, columns, options, told)
    if wanted in {"indicator", "classes"} and columns is not None:
        strange = next((v for v in values if v not in {0, 1, options.ignore}), None)
        got = f"the value {strange}" if strange is not None else "rows that carry the ignore index"
        raise InputError(f"expected only 0 and 1 in {array.describe()}, but got {got}", where=array.where)
    if matrix and wanted is None:
        told = (*told, f"an array shaped [N, {per_row}] of class ids is read as sequences of labels")
    return from_values(
        values, options, where=array.where, rows_per_sample=1 if single else per_row, assumptions=told
    )


@dataclass(frozen=True, kw_only=True)
class _Columns:
    rows: int
    columns: int
    wanted: str | None


def _check_dtype(array: StoredArray) -> None:
    dtype, where = array.dtype, array.where
    if dtype.kind == "O":
        raise InputError(
            "expected numbers or text, but got dtype object, which is never unpickled",
            where=where,
            hint=_HINT_INTEGERS,
        )
    if dtype.names is not None or dtype.kind == "V":
        raise InputError(
            f"expected numbers or text, but got the structured dtype {str(dtype)[:100]}",
            where=where,
            hint="save the label field alone",
        )
    if dtype.kind not in "biufSU" or (dtype.kind == "f" and dtype.itemsize > np.dtype(np.float64).itemsize):
        raise InputError(
            f"expected integers, bool, whole floats or text, but got dtype {dtype}",
            where=where,
            hint=_HINT_INTEGERS,
        )
    if not dtype.itemsize:
        raise InputError(f"expected labels, but got empty text of dtype {dtype}", where=where)


def _rows_and_columns(array: StoredArray, options: Options) -> tuple[int, int, tuple[str, ...]]:
    """Return rows, labels per row, and what was assumed about the shape."""
    shape = array.shape
    if not shape:
        raise InputError("expected an array of labels, but got a single value", where=array.where)
    if not array.size:
        raise InputError(f"expected labels, but got an empty array {list(shape)}", where=array.where)
    rows, per_row = shape[0], prod(shape[1:])
    if rows == 1 and per_row > 1 and len(shape) == _MATRIX and options.kind is None:
        return per_row, 1, ("an array shaped [1, N] is read as N labels",)
    return rows, per_row, ()


def _count_names(array: StoredArray, options: Options, per_row: int, told: tuple[str, ...]) -> LabelCounts:
    result = _scan(array, None, options)
    try:
        names = result.names.counts()
    except UnicodeDecodeError as error:
        raise InputError("expected UTF-8 text, but got other bytes", where=array.where) from error
    if result.names.full:
        raise InputError(TOO_MANY, where=array.where)
    return from_names(names, options, where=array.where, rows_per_sample=per_row, assumptions=told)


def _check_values(array: StoredArray, result: _Scan, values: Mapping[int, int], per_row: int) -> None:
    def row(index: int) -> int:
        return index % array.shape[0] if array.fortran else index // per_row

    count, first = result.not_finite()
    if count:
        raise InputError(
            f"expected a label in every row, but got {count:,} NaN or infinite value{'s' * (count > 1)}, "
            f"the first in row {row(first):,} (counted from 0)",
            where=array.where,
        )
    broken = result.not_whole()
    if broken is not None:
        raise InputError(
            f"expected whole numbers as class ids, but got {broken[1]!r} in row {row(broken[0]):,} "
            "(counted from 0)",
            where=array.where,
            hint=SOFT_TARGETS,
        )
    if array.dtype.kind == "b" and (strange := set(values) - {0, 1}):
        raise InputError(f"expected bytes 0 and 1 as bool, but got {min(strange)}", where=array.where)
    if len(values) > MOST_CLASSES:
        raise InputError(TOO_MANY, where=array.where)


def _indicator(
    array: StoredArray, result: _Scan, columns: _Columns, options: Options, told: tuple[str, ...]
) -> LabelCounts:
    ones = np.sum([counter.ones for counter in result.columns], axis=0)
    dropped = sum(counter.dropped for counter in result.columns)
    names = [str(c) for c in range(columns.columns)]
    if columns.wanted == "classes":
        if not all(counter.one_hot for counter in result.columns) or array.fortran:
            raise InputError(
                f"expected class ids [N] or one-hot rows, but got {array.describe()} whose rows do not hold "
                "exactly one 1" + (" in C order" if array.fortran else ""),
                where=array.where,
                hint="--label-kind indicator counts multi-label rows",
            )
        counts = dict(enumerate(ones.tolist()))
        return from_values(
            counts, options, where=array.where, assumptions=(*told, "one-hot rows are read as class ids")
        )
    rows = columns.rows - dropped
    if columns.wanted is None:
        told = (
            *told,
            f"an array shaped [N, {columns.columns}] of 0 and 1 is read as a multi-label indicator",
        )
        if int(ones.sum()) == rows:
            told = (*told, "it holds as many ones as rows: if it is one-hot, give --label-kind classes")
    if dropped:
        told = (*told, "rows with the ignore index in any column are left out")
    return from_indicator(names, ones, rows, where=array.where, ignored=dropped, assumptions=told)


@dataclass
class _Scan:
    """What the threads have counted."""

    counters: list[ValueCounter] = field(default_factory=list)
    columns: list[ColumnCounter] = field(default_factory=list)
    names: NameCounter = field(default_factory=NameCounter)
    columns_alive: bool = True
    stop: bool = False

    def values(self) -> dict[int, int]:
        total: dict[int, int] = {}
        found: Iterable[Mapping[int, int]] = itertools.chain(
            (c.counts() for c in self.counters),
            ({0: c.zeros, 1: int(c.ones.sum())} for c in self.columns),
        )
        for counts in found:
            for value, count in counts.items():
                total[value] = total.get(value, 0) + count
        return {value: count for value, count in total.items() if count}

    def not_finite(self) -> tuple[int, int]:
        found = [c.not_finite for c in self.counters if c.not_finite[0]]
        return sum(count for count, _ in found), min((first for _, first in found), default=-1)

    def not_whole(self) -> tuple[int, float] | None:
        return min((c.not_whole for c in self.counters if c.not_whole is not None), default=None)


@dataclass(kw_only=True)
class _Worker:
    """One thread's share of the counting."""

    array: StoredArray
    columns: _Columns | None
    options: Options
    result: _Scan
    lock: threading.Lock

    def run(self, blocks: Iterator[tuple[int, NDArray[Any]]]) -> None:
        """Count blocks until there are no more, or until an error is certain."""
        result, values = self.result, ValueCounter()
        result.counters.append(values)
        column = self.column_counter()
        for start, block in blocks:
            native = block if block.dtype.isnative else block.astype(block.dtype.newbyteorder("="))
            if native.dtype.kind in "SU":
                result.names.add(native)
            elif column is None or not result.columns_alive or not column.add(native, start):
                result.columns_alive = False
                values.add(native, start)
            if self.options.tick is not None:
                with self.lock:
                    self.options.tick(block.nbytes)
            needed = self.columns is None or self.columns.wanted is None or result.columns_alive
            if values.full or result.names.full or not needed:
                result.stop = True
            if result.stop:
                return

    def column_counter(self) -> ColumnCounter | None:
        """Return a counter of ones per column where that may be asked for."""
        if self.columns is None:
            return None
        wanted, fortran = self.columns.wanted, self.array.fortran and self.columns.columns > 1
        counter = ColumnCounter(
            self.columns.rows,
            self.columns.columns,
            fortran=fortran,
            ignore=None if wanted is None or fortran else self.options.ignore,
            one_hot=wanted == "classes",
        )
        self.result.columns.append(counter)
        return counter


def _scan(array: StoredArray, columns: _Columns | None, options: Options) -> _Scan:
    """Count all values, by several threads where the array is large and lies open in a file."""
    # A bool is read as the byte it is: a broken file may hold others than 0 and 1.
    dtype = np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype
    unit = 1 if columns is None or array.fortran else columns.columns
    result = _Scan(columns_alive=columns is not None)
    lock = threading.Lock()

    def worker() -> _Worker:
        return _Worker(array=array, columns=columns, options=options, result=result, lock=lock)

    if array.stream is not None:
        worker().run(_stream_blocks(array, dtype, unit))
        return result
    window = _WINDOW if columns is None else _STREAM_BUFFER
    per_task = max(1, window // (dtype.itemsize * unit)) * unit
    tasks = itertools.count()  # drawn from by all threads; next() is atomic
    threads = 1
    if array.nbytes >= _THREADS_FROM and dtype.kind not in "SU":
        threads = min(_MOST_THREADS, _processors())
    _together(lambda: worker().run(_file_blocks(array, dtype, per_task, tasks)), threads, result)
    return result


def _together(work: Callable[[], None], threads: int, result: _Scan) -> None:
    if threads == 1:
        work()
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads - 1) as pool:
        helpers = [pool.submit(work) for _ in range(threads - 1)]
        try:
            work()
        except BaseException:
            result.stop = True
            raise
        for helper in helpers:
            helper.result()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _file_blocks(
    array: StoredArray, dtype: np.dtype[Any], per_task: int, tasks: Iterator[int]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Map the file window by window, so that no more than a window per thread is ever resident."""
    with open(array.path, "rb", buffering=0) as file:  # noqa: PTH123  may be any path the system takes
        for task in tasks:
            start = task * per_task
            count = min(per_task, array.size - start)
            if count <= 0:
                return
            first = array.offset + start * dtype.itemsize
            aligned = first - first % mmap.ALLOCATIONGRANULARITY
            length = first - aligned + count * dtype.itemsize
            # Unmapped as soon as the last block made from it is gone; it cannot be closed before.
            window = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=aligned)
            yield start, np.frombuffer(window, dtype, count, first - aligned)


def _stream_blocks(array: StoredArray, dtype: np.dtype[Any], unit: int) -> Iterator[tuple[int, NDArray[Any]]]:
    stream = cast("IO[bytes]", array.stream)
    per_block = max(1, _STREAM_BUFFER // (dtype.itemsize * unit)) * unit
    buffer = bytearray(min(per_block, array.size) * dtype.itemsize)
    for start in range(0, array.size, per_block):
        need = min(per_block, array.size - start) * dtype.itemsize
        view = memoryview(buffer)[:need]
        got = 0
        while got < need and (more := cast("Any", stream).readinto(view[got:])):
            got += more
        if got < need:
            held = start * dtype.itemsize + got
            raise InputError(
                f"expected {array.nbytes:,} bytes of labels, but got {held:,}",
                where=array.where,
                hint="the file is truncated",
            )
        yield start, np.frombuffer(view, dtype)
    if stream.read(1):
        raise InputError(f"expected {array.nbytes:,} bytes of labels, but got more", where=array.where)


def in_memory(values: NDArray[Any], where: str) -> StoredArray:
    """Wrap an array that is already in memory."""
    import io

    stored = np.ascontiguousarray(values)
    return StoredArray(
        where=where, dtype=stored.dtype, shape=values.shape, stream=io.BytesIO(stored.tobytes())
    )
