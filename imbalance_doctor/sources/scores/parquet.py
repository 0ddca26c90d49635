"""``.parquet``: columns of numbers or lists of numbers, read batch by batch with pyarrow (an extra)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels.base import LabelFile
from imbalance_doctor.sources.labels.parquet import Parquet as LabelParquet
from imbalance_doctor.sources.labels.parquet import opening
from imbalance_doctor.sources.scores._names import Roles, assign
from imbalance_doctor.sources.scores._parts import MOST_CLASSES, Options, Piece, Source
from imbalance_doctor.sources.scores.base import Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Parquet(Reader):
    """Columns such as ``logit``, ``target``, ``step``; ``logit_0``, ``logit_1`` ..., or lists of logits."""

    title = LabelParquet.title
    suffixes = LabelParquet.suffixes
    made = LabelParquet.made

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the magic bytes."""
        return LabelParquet.recognises(head)

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Find the columns by their names."""
        path = file.need_path(Parquet.title)
        with opening(path) as table:
            schema = table.schema_arrow
            roles = assign(schema.names, options, path, "column")
            for name in roles.all:
                _check_type(schema.field(name).type, name, path, lists=name not in roles.columns.values())
            first = next(_pieces(table, roles, path, 1), None)
        if first is None:
            raise InputError("expected scores, but got a table without rows", where=path)
        width, target_width = _width(first.scores), _width(first.targets)
        if not 0 < max(width, target_width) <= MOST_CLASSES:
            raise InputError(f"expected 1 to {MOST_CLASSES:,} scores per row, but got {width:,}", where=path)

        def read(most: int) -> Iterator[Piece]:
            with opening(path) as table:
                for piece in _pieces(table, roles, path, most):
                    if (_width(piece.scores), _width(piece.targets)) != (width, target_width):
                        raise InputError(
                            f"expected {width:,} scores and {target_width:,} targets per row, but got others",
                            where=path,
                        )
                    yield piece

        return Source(
            where=path,
            width=width,
            target_width=target_width,
            columns=frozenset(roles.columns),
            pieces=read,
            scale=roles.scale,
        )


def _width(values: NDArray[Any]) -> int:
    return values.shape[1] if values.ndim > 1 else 1


def _check_type(kind: Any, name: str, path: str, *, lists: bool) -> None:
    import pyarrow.types as kinds  # type: ignore[import-untyped]

    is_list = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
    value = kind.value_type if is_list and lists else kind
    if not (kinds.is_integer(value) or kinds.is_boolean(value) or kinds.is_floating(value)):
        raise InputError(
            f"expected numbers{' or lists of numbers' if lists else ''} in '{name}', but got the type "
            f"{str(kind)[:100]}",
            where=path,
            hint="cast class ids to int64",
        )


def _pieces(table: Any, roles: Roles, path: str, most: int) -> Iterator[Piece]:
    import numpy as np

    from imbalance_doctor.sources.scores._stored import as_scores

    first = 0
    for batch in table.iter_batches(batch_size=most, columns=list(roles.all)):
        arrays = {name: _numbers(batch.column(name), f"{path}[{name}]", first) for name in roles.all}

        def side_by_side(names: tuple[str, ...], arrays: Any = arrays) -> NDArray[Any]:
            return np.column_stack([arrays[name] for name in names]) if len(names) > 1 else arrays[names[0]]

        if batch.num_rows:
            yield Piece(
                scores=as_scores(side_by_side(roles.scores)),
                targets=side_by_side(roles.targets),
                columns={role: arrays[name] for role, name in roles.columns.items()},
            )
        first += batch.num_rows


def _numbers(column: Any, where: str, first: int) -> NDArray[Any]:
    """Return a column without nulls: [N], or [N, W] of lists that are all as long."""
    import numpy as np
    import pyarrow.types as kinds

    if column.null_count:
        row = first + column.is_null().index(value=True).as_py()
        raise InputError(
            f"expected a number in every row, but got null in row {row:,} (counted from 0)",
            where=where,
            hint="remove rows without a score or target",
        )
    kind = column.type
    if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)):
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    flat = column.flatten()
    if kinds.is_fixed_size_list(kind):
        lengths = np.full(len(column), kind.list_size)
    else:
        lengths = np.diff(column.offsets.to_numpy())
    if flat.null_count or (lengths != lengths[0]).any() or not lengths[0]:
        raise InputError(
            "expected lists that are all as long and hold no null, but got others",
            where=where,
            hint="one number per class",
        )
    flat_values: NDArray[Any] = flat.to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return flat_values[:, 0] if flat_values.shape[1] == 1 else flat_values
