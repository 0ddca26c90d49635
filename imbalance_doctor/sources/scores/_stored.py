"""Columns that lie in binary files, read some rows at a time."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels._zip import open_zip
from imbalance_doctor.sources.labels.npy import read_header
from imbalance_doctor.sources.scores._names import Roles
from imbalance_doctor.sources.scores._parts import MOST_CLASSES, Piece, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_doctor.sources.labels._arrays import StoredArray

BFLOAT16 = "bfloat16"
"""What stands for this type where numpy's name of a dtype is asked for."""

_MATRIX = 2
_LARGEST_COPY = 64 * 2**20
_LARGEST_FLOAT = 8

Take = Callable[[int], "NDArray[Any]"]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A column, or several of equal length, as they lie in a file.

    Attributes
    ----------
    where
        How errors call it: the file, and the key inside it.
    dtype
        Of any byte order; uint16 for `bfloat`.
    shape, strides
        Of the array; strides in values.
    path, offset
        Where its first value lies.
    member
        Its name in the zip archive `path`, where it lies there compressed.
    fortran
        The values of `member` lie column by column.
    bfloat
        The values are the upper halves of float32.
    """

    where: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...] = ()
    path: str = ""
    offset: int = 0
    member: str = ""
    fortran: bool = False
    bfloat: bool = False

    @property
    def width(self) -> int:
        """Values in a row."""
        return prod(self.shape[1:])

    def describe(self) -> str:
        """Return dtype and shape, short."""
        return f"{BFLOAT16 if self.bfloat else self.dtype} {list(self.shape)}"

    def open(self, stack: ExitStack) -> Take:
        """Return a function that takes the next so many rows: [N] or [N, W], in memory of its own."""
        take = self._compressed(stack) if self.member else self._mapped()
        return lambda rows: self._native(take(rows))

    def _native(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.dtype.kind == "b" and values.view(np.uint8).max(initial=0) > 1:
            raise InputError("expected bytes 0 and 1 as bool, but got others", where=self.where)
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        if self.bfloat:
            native = (native.astype(np.uint32) << 16).view(np.float32)
        return native[:, 0] if native.ndim == _MATRIX and self.width == 1 else native

    def _mapped(self) -> Take:
        """Map some rows at a time, so that no more than them is ever resident."""
        size, position = self.dtype.itemsize, 0
        steps = tuple(step * size for step in self.strides)

        def take(rows: int) -> NDArray[Any]:
            nonlocal position
            shape = (rows, *self.shape[1:]) if self.shape else ()
            last = sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
            first = self.offset + (position * steps[0] if steps else 0)
            aligned = first - first % mmap.ALLOCATIONGRANULARITY
            length = first - aligned + last + size
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123  may be any path the system takes
                try:
                    window = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=aligned)
                except ValueError as error:
                    raise InputError(
                        "expected the file to stay as it is, but it became shorter", where=self.where
                    ) from error
            flat = np.frombuffer(window, self.dtype, last // size + 1, first - aligned)
            values = np.array(np.lib.stride_tricks.as_strided(flat, shape, steps, writeable=False))
            position += rows
            return values if self.shape else np.full(rows, values)

        return take

    def _compressed(self, stack: ExitStack) -> Take:
        archive = stack.enter_context(open_zip(self.path))
        stream = stack.enter_context(archive.open(self.member))
        read_header(stream, self.where)

        def read(shape: tuple[int, ...]) -> NDArray[Any]:
            need = prod(shape) * self.dtype.itemsize
            data = stream.read(need)
            if len(data) < need:
                raise InputError(f"expected {need:,} more bytes, but got {len(data):,}", where=self.where)
            return np.frombuffer(data, self.dtype).reshape(shape)

        if not self.shape:
            value = read(())
            return lambda rows: np.full(rows, value)
        if self.fortran:
            whole, position = read(self.shape[::-1]).T, 0

            def slice_off(rows: int) -> NDArray[Any]:
                nonlocal position
                position += rows
                return np.ascontiguousarray(whole[position - rows : position])

            return slice_off
        return lambda rows: read((rows, *self.shape[1:]))


def stored(array: StoredArray, *, bfloat: bool = False) -> Stored:
    """Describe an uncompressed array of a file."""
    steps = [1]
    sizes = array.shape if array.fortran else array.shape[::-1]
    for size in sizes[:-1]:
        steps.append(steps[-1] * size)
    strides = tuple(steps if array.fortran else reversed(steps)) if array.shape else ()
    return Stored(
        where=array.where,
        dtype=array.dtype,
        shape=array.shape,
        strides=strides,
        path=array.path,
        offset=array.offset,
        bfloat=bfloat,
    )


def in_archive(path: str, member: str, array: StoredArray) -> Stored:
    """Describe a compressed array of an archive.

    Raises
    ------
    InputError
        It is large and its values lie column by column, so that no row can be read before all are.
    """
    fortran = array.fortran and sum(n > 1 for n in array.shape) > 1
    if fortran and array.nbytes > _LARGEST_COPY:
        raise InputError(
            f"expected rows one after the other, but got a compressed array in Fortran order "
            f"({array.describe()})",
            where=array.where,
            hint="save np.ascontiguousarray(scores), or use np.savez",
        )
    return Stored(
        where=array.where, dtype=array.dtype, shape=array.shape, path=path, member=member, fortran=fortran
    )


def check(arrays: Mapping[str, Stored], roles: Roles) -> tuple[int, int, int]:
    """Return the rows, the columns of scores and the columns of targets of arrays that fit each other.

    Raises
    ------
    InputError
        A dtype or shape cannot be that of scores or targets, or the arrays have different lengths.
    """
    first = arrays[roles.scores[0]]
    _check_shapes(arrays, roles)
    rows = first.shape[0]
    for name in roles.all:
        array = arrays[name]
        if array.shape and array.shape[0] != rows:
            raise InputError(
                f"expected {rows:,} rows as in {first.describe()}, but got {array.describe()}",
                where=array.where,
            )
    if not rows:
        raise InputError(f"expected scores, but got an empty array {list(first.shape)}", where=first.where)
    width = sum(arrays[name].width for name in roles.scores)
    target_width = sum(arrays[name].width for name in roles.targets)
    return rows, width, target_width


def _check_shapes(arrays: Mapping[str, Stored], roles: Roles) -> None:
    for names, what, kinds in (
        (roles.scores, "scores", "biuf"),
        (roles.targets, "targets", "biuf"),
        (tuple(roles.columns.values()), "numbers", "biuf"),
    ):
        for name in names:
            array = arrays[name]
            text = array.dtype.kind in "SUO"
            if array.dtype.kind not in kinds or array.dtype.itemsize > _LARGEST_FLOAT:
                hint = "save class ids as integers" if text else "save float32 or float64"
                if array.dtype.kind == "O":
                    hint = "objects are never unpickled; save numbers"
                raise InputError(
                    f"expected {what} as numbers, but got {array.describe()[:100]}",
                    where=array.where,
                    hint=hint,
                )
            dimensions = len(array.shape)
            if what == "numbers":
                fits = dimensions == 0 or array.width == 1
                wanted = "one value per row [N]"
            else:
                fits = dimensions in {1, _MATRIX} and (len(names) == 1 or array.width == 1)
                wanted = f"{what} [N] or [N, C]" if len(names) == 1 else f"{what} [N] in each array"
            if not fits:
                hint = "flatten it to one row per prediction" if dimensions > _MATRIX else ""
                raise InputError(
                    f"expected {wanted}, but got {array.describe()}", where=array.where, hint=hint
                )
            if dimensions == _MATRIX and not 0 < array.width <= MOST_CLASSES:
                raise InputError(
                    f"expected 1 to {MOST_CLASSES:,} columns, but got {array.describe()}", where=array.where
                )


def pieces(arrays: Mapping[str, Stored], roles: Roles, rows: int, most: int) -> Iterator[Piece]:
    """Yield arrays that fit each other, at most so many rows at a time."""
    with ExitStack() as stack:
        takes = {name: arrays[name].open(stack) for name in roles.all}

        def side_by_side(names: tuple[str, ...], count: int) -> NDArray[Any]:
            taken = [takes[name](count) for name in names]
            return taken[0] if len(taken) == 1 else np.stack(taken, axis=1)

        for start in range(0, rows, most):
            count = min(most, rows - start)
            yield Piece(
                scores=as_scores(side_by_side(roles.scores, count)),
                targets=side_by_side(roles.targets, count),
                columns={role: takes[name](count) for role, name in roles.columns.items()},
            )


def as_scores(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as float32 or float64 [N, W]: the narrower one where it holds them exactly.

    >>> as_scores(np.array([1, 2], np.int8)).dtype, as_scores(np.array([1, 2])).dtype
    (dtype('float32'), dtype('float64'))
    """
    # float32 holds whole numbers of up to 16 bits, as numpy knows
    kind = np.result_type(values.dtype, np.float32)
    return values.astype(kind, copy=False).reshape(len(values), -1)


def source(
    where: str, arrays: Mapping[str, Stored], roles: Roles, *, assumptions: tuple[str, ...] = ()
) -> Source:
    """Make the source of a file that holds one set of arrays."""
    rows, width, target_width = check(arrays, roles)
    return Source(
        where=where,
        width=width,
        target_width=target_width,
        columns=frozenset(roles.columns),
        pieces=lambda most: pieces(arrays, roles, rows, most),
        scale=roles.scale,
        assumptions=assumptions,
    )
