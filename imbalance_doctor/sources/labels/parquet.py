"""``.parquet``: one column, read batch by batch with pyarrow, which is an extra."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._count import MOST_CLASSES
from imbalance_doctor.sources.labels._values import (
    SOFT_TARGETS,
    TOO_MANY,
    USUAL_NAMES,
    Options,
    from_indicator,
    from_names,
    from_values,
)
from imbalance_doctor.sources.labels.base import LabelFile, Reader

_BATCH = 2**17
_BUFFER = 2**20
_LISTED = 20
_LARGEST_EXACT = 2**53


class Parquet(Reader):
    """A Parquet file: integers, bool, whole floats, text, dictionaries of them, or lists of integers."""

    title = "a Parquet file"
    suffixes = (".parquet", ".pq")
    made = "one begins with PAR1; pandas' to_parquet writes it"
    takes = frozenset({"column"})

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the magic bytes."""
        return head.startswith(b"PAR1")

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the labels of one column, or the ones of several."""
        path = file.need_path(Parquet.title)
        with opening(path) as table:
            names, told = _choose(table.schema_arrow.names, options, path)
            if options.kind == "indicator":
                return _count_indicator(table, names, path, options)
            return _count_column(table, names[0], path, options, told)


@contextlib.contextmanager
def opening(path: str) -> Iterator[Any]:
    """Open a Parquet file, and turn what pyarrow raises on a broken one into one `InputError`."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(
            "expected pyarrow to read Parquet, but it is not installed",
            where=path,
            hint="pip install 'imbalance-doctor[parquet]'",
        ) from error
    try:
        # With a buffer a column is read page by page; without, each row group at once.
        with pq.ParquetFile(path, buffer_size=_BUFFER) as table:
            yield table
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"expected a complete Parquet file, but got: {str(error)[:200]}",
            where=path,
            hint="the file is truncated or damaged",
        ) from error


def _choose(columns: Sequence[str], options: Options, where: str) -> tuple[list[str], tuple[str, ...]]:
    listed = ", ".join(columns[:_LISTED]) + (", ..." if len(columns) > _LISTED else "")
    indicator = options.kind == "indicator"
    if options.column is not None:
        names = [options.column]
        if indicator and options.column not in columns:
            names = [name.strip() for name in options.column.split(",")]
        for name in names:
            if columns.count(name) != 1:
                raise InputError(
                    f"expected the column '{name}', but found: {listed}",
                    where=where,
                    hint=did_you_mean(name, columns),
                )
        return names, ()
    if indicator:
        return list(columns), ()
    if len(columns) == 1:
        return list(columns), ()
    usual = [name for name in columns if name.lower() in USUAL_NAMES]
    if len(usual) == 1:
        return usual, (f"column '{usual[0]}' holds the labels (no column was named)",)
    raise InputError(
        f"expected one column of labels, but found several: {listed}",
        where=where,
        hint="name one with --column",
    )


def _batches(table: Any, names: list[str], where: str, options: Options) -> Any:
    """Yield record batches without nulls."""
    first = 0
    for batch in table.iter_batches(batch_size=_BATCH, columns=names):
        for name, values in zip(names, batch.columns, strict=True):
            if values.null_count:
                row = first + values.is_null().index(value=True).as_py()
                raise InputError(
                    f"expected a label in every row, but column '{name}' is null in row {row:,} "
                    "(counted from 0)",
                    where=where,
                    hint="remove rows without a label",
                )
        first += batch.num_rows
        if options.tick is not None:
            options.tick(batch.nbytes)
        yield batch


def _count_column(table: Any, name: str, where: str, options: Options, told: tuple[str, ...]) -> LabelCounts:
    place = f"{where}[{name}]"
    text, lists = _kind_of(table.schema_arrow.field(name).type, place)
    counts: dict[Any, int] = {}
    rows = 0
    for batch in _batches(table, [name], place, options):
        values = batch.columns[0]
        rows += len(values)
        if lists:
            values = values.flatten()
            if values.null_count:
                raise InputError("expected a label everywhere, but got null inside a list", where=place)
        found = values.value_counts()
        labels, repeats = found.field("values").to_pylist(), found.field("counts").to_pylist()
        for label, count in zip(labels, repeats, strict=True):
            counts[label] = counts.get(label, 0) + count
        if len(counts) > MOST_CLASSES:
            raise InputError(TOO_MANY, where=place)
    if not counts:
        raise InputError("expected labels, but got a table without rows", where=place)
    per_sample = 1
    if lists:
        per_sample = max(1, round(sum(counts.values()) / rows))
        told = (*told, "lists of class ids are read as sequences; their mean length is the rows per sample")
    if text:
        return from_names(counts, options, where=place, rows_per_sample=per_sample, assumptions=told)
    whole = _whole_numbers(counts, place)
    return from_values(whole, options, where=place, rows_per_sample=per_sample, assumptions=told)


def _kind_of(kind: Any, place: str) -> tuple[bool, bool]:
    """Tell whether a column holds text, and whether it holds lists."""
    import pyarrow.types as kinds  # type: ignore[import-untyped]

    lists = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
    value = kind.value_type if lists or kinds.is_dictionary(kind) else kind
    text = kinds.is_string(value) or kinds.is_large_string(value)
    if not (text or kinds.is_integer(value) or kinds.is_boolean(value) or kinds.is_floating(value)):
        raise InputError(
            f"expected integers, bool, whole floats or text, but got the type {kind}",
            where=place,
            hint="cast class ids to int64",
        )
    return text, lists


def _whole_numbers(counts: Mapping[Any, int], place: str) -> dict[int, int]:
    whole: dict[int, int] = {}
    for label, count in counts.items():
        if not math.isfinite(label):
            raise InputError(f"expected a label in every row, but got {label} {count:,} times", where=place)
        if isinstance(label, float) and (not label.is_integer() or abs(label) > _LARGEST_EXACT):
            raise InputError(
                f"expected whole numbers as class ids, but got {label!r}", where=place, hint=SOFT_TARGETS
            )
        whole[int(label)] = whole.get(int(label), 0) + count
    return whole


def _count_indicator(table: Any, names: list[str], where: str, options: Options) -> LabelCounts:
    ones = dict.fromkeys(names, 0)
    rows = 0
    for batch in _batches(table, names, where, options):
        rows += batch.num_rows
        for name, values in zip(names, batch.columns, strict=True):
            for found in values.value_counts().to_pylist():
                if found["values"] not in {0, 1}:
                    got = str(found["values"])[:40]
                    raise InputError(
                        f"expected 0 or 1 in the indicator column '{name}', but got {got!r}",
                        where=where,
                    )
                ones[name] += found["counts"] if found["values"] == 1 else 0
    if not rows:
        raise InputError("expected labels, but got a table without rows", where=where)
    return from_indicator(names, list(ones.values()), rows, where=where)
