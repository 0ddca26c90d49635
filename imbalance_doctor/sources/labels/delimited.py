"""``.csv``, ``.tsv``: one column of a table, read with the standard library row by row."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._lines import Tally, decoded_lines
from imbalance_doctor.sources.labels._values import (
    USUAL_NAMES,
    Options,
    from_indicator,
    from_names,
    is_number,
)
from imbalance_doctor.sources.labels.base import LabelFile, Reader, is_textual

_SEPARATORS = "\t;|,"
_SAMPLE = 200
_LISTED = 20


class Delimited(Reader):
    """A table with or without a header, separated by comma, semicolon, tab or bar."""

    title = "a table (.csv, .tsv)"
    suffixes = (".csv", ".tsv")
    takes = frozenset({"column"})
    rank = 2

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by lines that hold the same separator equally often."""
        if not is_textual(head):
            return False
        lines = head.decode("utf-8", errors="replace").splitlines(keepends=True)
        return _separator(lines[:-1] if len(lines) > 1 else lines) != ""

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the labels of one column, or the ones of several."""
        table = open_table(file, options)
        indices, told = _choose_columns(table, options)
        if options.kind == "indicator":
            return _count_indicator(table, indices, told)
        if len(indices) > 1:
            raise InputError(
                f"expected one column of labels, but got {len(indices)}",
                where=file.name,
                hint="several columns need --label-kind indicator",
            )
        index = indices[0]
        tally = Tally(file.name)
        for line, row in table.rows():
            tally.add(row[index].strip(), line)
        return from_names(tally.counts, options, where=file.name, lines=tally.lines, assumptions=told)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table whose first rows have been looked at."""

    where: str
    header: tuple[str, ...]
    width: int
    sample: Sequence[tuple[int, list[str]]]
    rest: Iterator[tuple[int, list[str]]]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line number and the fields of every row after the header."""
        blank = None
        for line, row in itertools.chain(self.sample, self.rest):
            if not row:
                blank = blank or line
                continue
            if blank is not None:
                raise InputError("expected a row, but got an empty line", where=self.where, line=blank)
            if len(row) != self.width:
                raise InputError(
                    f"expected {self.width} columns, but got {len(row)}", where=self.where, line=line
                )
            yield line, row


def open_table(file: LabelFile, options: Options) -> _Table:
    """Look at the first rows of a table: its separator, its width, and whether it has a header.

    Raises
    ------
    InputError
        It has no rows.
    """
    lines = decoded_lines(file, options)
    ahead = list(itertools.islice(lines, _SAMPLE))
    separator = _separator(ahead) or ("\t" if file.suffix == ".tsv" else ",")
    parser = csv.reader(itertools.chain(ahead, lines), delimiter=separator, strict=True)

    def rows() -> Iterator[tuple[int, list[str]]]:
        try:
            for row in parser:
                yield parser.line_num, row
        except csv.Error as error:
            raise InputError(
                f"expected a table, but got a quoting error ({error})", where=file.name, line=parser.line_num
            ) from error

    numbered = rows()
    sample = list(itertools.islice(numbered, _SAMPLE // 2))
    while sample and not sample[0][1]:
        sample.pop(0)
    if not sample:
        raise InputError("expected a table, but got only empty lines", where=file.name)
    header: tuple[str, ...] = ()
    width = len(sample[0][1])
    if _is_header(sample[0][1], [row for _, row in sample[1:] if len(row) == width], options.column):
        header = tuple(field.strip() for field in sample[0][1])
        sample = sample[1:]
    if not any(row for _, row in sample):
        raise InputError("expected rows, but got only a header", where=file.name)
    return _Table(where=file.name, header=header, width=width, sample=sample, rest=numbered)


def _separator(lines: Sequence[str]) -> str:
    """Return the separator that splits all lines into equally many fields, or nothing."""
    filled = [line for line in lines if line.strip()]
    best = ""
    for separator in _SEPARATORS:
        try:
            widths = {len(row) for row in csv.reader(filled, delimiter=separator) if row}
        except csv.Error:
            continue
        if len(widths) == 1 and widths != {1}:
            return separator
        # Not all lines have as many: a broken row is reported later, with its line.
        if not best and filled and separator in filled[0] and min(widths) > 1:
            best = separator
    return best


def _is_header(first: Sequence[str], others: Sequence[Sequence[str]], column: str | None) -> bool:
    fields = [field.strip() for field in first]
    wanted = [name.strip() for name in column.split(",")] if column is not None else []
    numbers = all(is_number(field) for field in fields if field)
    if not numbers and any(name in fields for name in (column, *wanted)):
        return True
    if not any(fields) or len(set(fields)) < len(fields):
        return False
    if any(field.lower() in USUAL_NAMES for field in fields):
        return True
    if not fields[0] and all(fields[1:]):  # the nameless index column that pandas writes
        return True
    if any(is_number(field) for field in fields):
        return False
    # Words on top of numbers, or words that never come again, are names of columns.
    return all(field not in {row[i].strip() for row in others} for i, field in enumerate(fields))


def _choose_columns(table: _Table, options: Options) -> tuple[list[int], tuple[str, ...]]:
    header, where = table.header, table.where
    listed = ", ".join(header[:_LISTED]) + (", ..." if len(header) > _LISTED else "")
    if options.column is not None:
        names = [options.column]
        if options.kind == "indicator" and options.column not in header:
            names = [name.strip() for name in options.column.split(",")]
        return [_index(table, name, listed) for name in names], ()
    if options.kind == "indicator":
        return list(range(table.width)), ()
    if table.width == 1:
        return [0], ()
    usual = [i for i, name in enumerate(header) if name.lower() in USUAL_NAMES]
    if len(usual) == 1:
        return usual, (f"column '{header[usual[0]]}' holds the labels (no column was named)",)
    found = listed if header else f"{table.width} columns without a header"
    raise InputError(
        f"expected one column of labels, but found several: {found}",
        where=where,
        hint="name one with --column" if header else "give its number from 0 with --column",
    )


def _index(table: _Table, name: str, listed: str) -> int:
    header = table.header
    if name in header:
        if header.count(name) > 1:
            raise InputError(f"expected one column '{name}', but got {header.count(name)}", where=table.where)
        return header.index(name)
    if header:
        raise InputError(
            f"expected the column '{name}', but found: {listed}",
            where=table.where,
            hint=did_you_mean(name, header),
        )
    if not name.isascii() or not name.isdigit() or int(name) >= table.width:
        raise InputError(
            f"expected a column number from 0 to {table.width - 1} (there is no header), but got '{name}'",
            where=table.where,
        )
    return int(name)


def _count_indicator(table: _Table, indices: Sequence[int], told: tuple[str, ...]) -> LabelCounts:
    values = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
    ones = [0] * len(indices)
    rows = 0
    for line, row in table.rows():
        rows += 1
        for position, index in enumerate(indices):
            value = values.get(row[index].strip().lower())
            if value is None:
                name = table.header[index] if table.header else str(index)
                raise InputError(
                    f"expected 0 or 1 in the indicator column '{name}', but got '{row[index][:40]}'",
                    where=table.where,
                    line=line,
                )
            ones[position] += value
    names = [table.header[i] if table.header else str(i) for i in indices]
    return from_indicator(names, ones, rows, where=table.where, assumptions=told)
