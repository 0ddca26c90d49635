"""CSV and TSV of any program: a header, then a row per epoch, step or measurement."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Literal

from imbalance_doctor.sources.logs._decode import CUT, Lines, cut_short, head_text, numbered_lines
from imbalance_doctor.sources.logs._rows import (
    Clock,
    Rows,
    is_log_header,
    is_metric,
    normal,
    number,
    other_table,
    phase_of,
    place,
    preferred,
    role_of,
)
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record, Template

_SEPARATORS = "\t;,|"
_SAMPLE = 300
_PREAMBLE = 30
_SHARE = 0.8
_SAME_WIDTH = 0.5
_LONGEST_NAME = 200
_MOST_COLUMNS = 4_096
_LONGEST_SAMPLE = 300
_MOST_TRANSPOSED = 4_096
_HAS_LETTER = re.compile(r"[^\W\d_]")
_VALUE_SIGNS = re.compile(r"[\[{=]|[^\W\d]\s*:\s*[-+.\d]")
_SAYS_VALUE = re.compile(r"=|[^\W\d]\s*:\s+\S")
_DIGITS = re.compile(r"[-+.\d]+")
_FEW_CELLS = 4

# The fixed columns of the YOLO trainers that wrote no header; older ones gave F1 in place of the second mAP.
_YOLO = (
    "epoch", "memory", "train/box_loss", "train/obj_loss", "train/cls_loss", "train/total_loss", "labels",
    "img_size", "metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95",
    "val/box_loss", "val/obj_loss", "val/cls_loss",
)  # fmt: skip
_YOLO_F1 = (*_YOLO[:11], "metrics/F1", *_YOLO[12:])
_YOLO_ROW = re.compile(
    r"\s*\d+/\d+\s+[\d.]+[GMK]?(?:\s+[-+]?(?:[\d.]+(?:e[-+]?\d+)?|nan|inf)){13}\s*", re.ASCII
)
_F1_TOLERANCE = 0.02

_WANDB = re.compile(r"(?P<run>.+) - (?P<key>.+?)(?P<bound>__MIN|__MAX)?")
_BOARD = {"wall_time", "step", "value"}
_PROGRAMS = (
    (lambda n: any(k.startswith(("train/box_loss", "metrics/map")) for k in n), "Ultralytics results.csv"),
    (lambda n: {"epoch", "train_loss", "eval_loss", "eval_top1"} <= n, "timm summary.csv"),
    (lambda n: {"epoch", "train_loss", "valid_loss", "time"} <= n, "fastai history.csv"),
    (lambda n: {"epoch", "step"} <= n, "Lightning metrics.csv"),
    (lambda n: "iter" in n and len(n) <= 4, "CatBoost error file"),  # noqa: PLR2004  iter and metrics alone
)

Shape = Literal["rows", "yolo", "wandb", "board", "transposed", "other"]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a table is written.

    Attributes
    ----------
    separator
        Between cells; empty for blanks.
    first
        Lines before the header.
    header
        Names of the columns, made complete.
    """

    separator: str
    first: int
    header: tuple[str, ...]
    shape: Shape = "rows"
    decimal_comma: bool = False


class Delimited(LogReader):
    """A table whose header names at least one thing that can be measured in training."""

    title = "a table (CSV, TSV)"
    rank = 80

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by a header with rows of numbers below it."""
        return not file.is_folder and _layout(file) is not None

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004  part of the interface
        """Read row by row."""
        layout = _layout(file)
        parsed = Parsed(format="table", records=())
        if layout is not None and layout.shape == "other":
            parsed.instead = f"a table: {other_table([name for name in layout.header if name])}"
        elif layout is not None:
            parsed.format = _program(layout)
            parsed.records = _records(file, layout, parsed)
        return parsed


def _layout(file: LogFile) -> _Layout | None:
    text = file.text or head_text(file)
    lines = re.split(r"\r\n|\n|\r", text)[: _SAMPLE + _PREAMBLE]
    while lines and not lines[-1].strip():
        lines.pop()
    if lines and sum(_YOLO_ROW.fullmatch(line) is not None for line in lines) >= _SHARE * len(lines):
        return _Layout("", 0, _yolo_header(lines), "yolo")
    best: _Layout | None = None
    for separator in _SEPARATORS:
        if separator == "|" and any(line.lstrip().startswith("|") for line in lines[:_PREAMBLE]):
            continue
        found = _table(lines, separator)
        if found is not None and (best is None or len(found.header) > len(best.header)):
            best = found
    return best


def _yolo_header(lines: Iterable[str]) -> tuple[str, ...]:
    """Tell F1 from the second mAP: it follows from precision and recall."""
    agree = told = 0
    for line in lines:
        cells = [number(cell) or 0.0 for cell in line.split()[8:12]]
        if len(cells) == len(_YOLO[8:12]) and cells[0] * cells[1] > 0:
            told += 1
            f1 = 2 * cells[0] * cells[1] / (cells[0] + cells[1])
            agree += abs(f1 - cells[3]) < _F1_TOLERANCE * max(f1, 0.1)
    return _YOLO_F1 if told and agree > told / 2 else _YOLO


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []


def _table(lines: Sequence[str], separator: str) -> _Layout | None:
    cells = [_cells(line, separator) if line.strip() else [] for line in lines]
    named = [(row, _header(row)) for row in cells]
    for first, (_, header) in enumerate(named[:_PREAMBLE]):
        below = [(row, names) for row, names in named[first + 1 :] if row]
        if not header or not below:
            continue
        if _has_row_names(header, [row for row, _ in below]):
            header = ("", *header)  # noqa: PLW2901  made complete
        if (shape := _shape(header)) is None:
            continue
        comma = separator != "," and _decimal_comma(row for row, _ in below)
        if _fits(header, below, decimal_comma=comma) and not _alike(cells[first], below[0][0]):
            return _Layout(separator, first, header, shape, decimal_comma=comma)
    return _transposed([row for row in cells if row], separator)


def _has_row_names(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether every row begins with a name of its own, as R writes them."""
    wide = all(len(row) == len(header) + 1 for row in rows)
    return len(rows) > 1 and wide and all(row[0].strip() for row in rows) and bool(rows[0][-1].strip())


def _header(row: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a header row, cleaned; nothing when it is none."""
    names = [name.strip().strip("\"'").strip() for name in row]
    if names:
        names[0] = names[0].lstrip("\ufeff#% ") if _HAS_LETTER.search(names[0]) else names[0]
    while names and not names[-1]:
        names.pop()
    filled = [name for name in names if name]
    if not filled or len(names) > _MOST_COLUMNS or len(filled) < len(names) - 1:
        return ()
    if any(
        len(name) > _LONGEST_NAME or _SAYS_VALUE.search(name) or number(name) is not None for name in filled
    ):
        return ()
    return tuple(names) if all(_HAS_LETTER.search(name) or name == "#" for name in filled) else ()


def _alike(header: Sequence[str], row: Sequence[str]) -> bool:
    """Tell whether a supposed header differs from the row below in nothing but its digits."""
    return [_DIGITS.sub("", cell) for cell in header] == [_DIGITS.sub("", cell) for cell in row]


def _decimal_comma(rows: Iterable[Sequence[str]]) -> bool:
    comma = point = 0
    for row in rows:
        for cell in row:
            text = cell.strip()
            comma += bool(re.fullmatch(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?%?", text))
            point += bool(re.fullmatch(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?%?", text))
    return comma > point


def _fits(
    header: tuple[str, ...],
    below: Sequence[tuple[Sequence[str], tuple[str, ...]]],
    *,
    decimal_comma: bool,
) -> bool:
    """Tell whether rows belong under a header: as many cells, and numbers where it names measurements."""
    rows = []
    for row, names in below:
        if names and names != header and is_log_header([name for name in names if name]):
            break
        if names != header:
            rows.append((row, names))
    if not rows:
        return False
    measured = [
        i for i, name in enumerate(header) if is_metric(name) or role_of(name) in {"step", "epoch", "value"}
    ]
    measured = measured or [i for i, name in enumerate(header) if name]
    places = {i for i, name in enumerate(header) if role_of(name) in {"step", "epoch"}}
    same = fitting = numeric = 0
    for row, names in rows:
        same += len(row) == len(header)
        filled = [(i, row[i]) for i in measured if i < len(row) and row[i].strip()]
        told = sum(
            number(cell, decimal_comma=decimal_comma) is not None
            or (i in places and place(cell)[0] is not None)
            for i, cell in filled
        )
        numeric += bool(told and told >= len(filled) / 2)
        fitting += bool(told and told >= len(filled) / 2) or (len(row) > 1 and names != ())
    return min(same, numeric) >= _SAME_WIDTH * len(rows) and fitting >= _SHARE * len(rows)


def _shape(header: Sequence[str]) -> Shape | None:
    names = {normal(name) for name in header if name}
    if names == _BOARD:
        return "board"
    bounds = [found for name in header[1:] if (found := _WANDB.fullmatch(name))]
    if len(bounds) == len(header) - 1 and any(found["bound"] for found in bounds):
        return "wandb"
    if not is_log_header([name for name in header if name] + ([""] if "" in header else [])):
        return "other" if other_table([name for name in header if name]) else None
    return "rows"


def _transposed(rows: Sequence[Sequence[str]], separator: str) -> _Layout | None:
    """Recognise a metric per row and an epoch per column."""
    named = [row for row in rows if row and number(row[0]) is None and row[0].strip()]
    if not named or len(named) < len(rows) - 1 or len(named) > _MOST_TRANSPOSED or len(named[0]) < _FEW_CELLS:
        return None
    names = [row[0].strip() for row in named]
    if any(_VALUE_SIGNS.search(name) for name in names):
        return None
    numeric = all(number(cell) is not None or not cell.strip() for row in named for cell in row[1:])
    if not numeric or not is_log_header([*names, "epoch"]) or not any(map(is_metric, names)):
        return None
    return _Layout(separator, 0, tuple(names), "transposed")


def _program(layout: _Layout) -> str:
    if layout.shape == "yolo":
        return "YOLO results.txt"
    if layout.shape == "wandb":
        return "W&B chart export"
    if layout.shape == "board":
        return "TensorBoard scalar export"
    names = {name.lower() for name in layout.header}
    if layout.header[0] == "epoch" and "loss" in names and sorted(layout.header[1:]) == [*layout.header[1:]]:
        return "Keras CSVLogger"  # it sorts its columns
    return next((title for test, title in _PROGRAMS if test(names)), "table")


def _records(file: LogFile, layout: _Layout, parsed: Parsed) -> Iterator[Record]:
    rows = Rows(parsed, decimal_comma=layout.decimal_comma)
    if layout.shape == "rows":
        yield from _Plain(file, layout, parsed, rows).records()
        return
    made = {
        "yolo": _yolo_rows, "wandb": _wandb_rows, "board": _board_rows, "transposed": _transposed_rows,
    }[layout.shape]  # fmt: skip
    yield from rows.records(made(file, layout, parsed))
    if rows.count:
        sample = ", ".join(layout.header)[:_LONGEST_SAMPLE]
        parsed.templates = [Template(sample=sample, count=rows.count, keys=tuple(rows.keys))]


def _split(lines: Lines, layout: _Layout, parsed: Parsed) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the header with the line each ends in; a row that cannot be parsed comes empty.

    So does the last number of a file that ends within it.
    """
    below = itertools.islice(lines, layout.first + 1, None)
    reader = csv.reader(below, delimiter=layout.separator, skipinitialspace=True)
    before: list[str] = []
    while True:
        try:
            for row in reader:
                if not lines.ended and len(row) == len(before) > 0 and cut_short(row[-1], before[-1]):
                    row[-1] = ""
                    parsed.notes.append(CUT)
                before = row
                yield lines.number, row
        except csv.Error:
            yield lines.number, []
            continue
        return


def _yolo_rows(file: LogFile, layout: _Layout, _: Parsed) -> Iterator[tuple[int, Mapping[str, str]]]:
    for line, text in numbered_lines(file):
        yield line, dict(zip(layout.header, text.split(), strict=False))


def _wandb_rows(file: LogFile, layout: _Layout, parsed: Parsed) -> Iterator[tuple[int, Mapping[str, str]]]:
    columns = [(i, found) for i, name in enumerate(layout.header) if (found := _WANDB.fullmatch(name))]
    kept = [(i, found["run"], found["key"]) for i, found in columns if not found["bound"]]
    for line, row in _split(Lines(file, layout.separator), layout, parsed):
        for i, run, key in kept:
            if i < len(row) and row[i].strip():
                yield line, {layout.header[0]: row[0], "run": run, key: row[i]}


def _board_rows(file: LogFile, layout: _Layout, parsed: Parsed) -> Iterator[tuple[int, Mapping[str, str]]]:
    run, _, tag = Path(file.name).stem.rpartition("-tag-")
    phase = next((word for word in re.split(r"[-_/]", run) if phase_of(word)), "")
    columns = [normal(name) for name in layout.header]
    for line, row in _split(Lines(file, layout.separator), layout, parsed):
        named = dict(zip(columns, row, strict=False))
        if "value" in named and number(named["value"]) is not None:
            yield line, {"step": named["step"], "split": phase, tag: named["value"]}


def _transposed_rows(
    file: LogFile, layout: _Layout, parsed: Parsed
) -> Iterator[tuple[int, Mapping[str, str | int]]]:
    columns: dict[str, list[str]] = {}
    for _, row in _split(Lines(file, layout.separator), layout, parsed):
        if row and row[0].strip() in layout.header and len(columns) < _MOST_TRANSPOSED:
            columns[row[0].strip()] = row[1:]
    for i in range(max(map(len, columns.values()), default=0)):
        made: dict[str, str | int] = {name: cells[i] for name, cells in columns.items() if i < len(cells)}
        yield i + 1, made if preferred(list(made), "epoch") else {"epoch": i, **made}


class _Plain:
    """Reads rows under their header; the header may come again, alike or changed."""

    def __init__(self, file: LogFile, layout: _Layout, parsed: Parsed, rows: Rows) -> None:
        self._lines = Lines(file, layout.separator)
        self._layout, self._parsed, self._rows = layout, parsed, rows
        self._clock = Clock()
        self._run = 1
        self._count = 0
        self._keys: dict[str, None] = {}
        self._sample = ""
        self._take(layout.header)

    def _take(self, header: tuple[str, ...]) -> None:
        """Note which column is what."""
        self._header, self._width = header, len(header)
        self._stripped = [name.strip() for name in header]
        once = [name for i, name in enumerate(header) if header.index(name) == i]
        step, epoch = preferred(once, "step"), preferred(once, "epoch")
        if epoch is None and "" in header[:1] and _is_history(header):
            epoch = ""  # pandas writes the number of the epoch under no name
        self._step = -1 if step is None else header.index(step)
        self._epoch = -1 if epoch is None else header.index(epoch)
        self._counts = step is None and epoch is None
        roles = {name: role_of(name) for name in once}
        self._special = bool(set(roles.values()) & {"phase", "group", "rank", "total"}) or (
            {"name", "value"} <= set(roles.values())
        )
        self._columns = [
            (i, name)
            for i, name in enumerate(header)
            if name
            and header.index(name) == i
            and i not in {self._step, self._epoch}
            and roles[name] != "count"
        ]
        self._names = tuple(name for _, name in self._columns)
        indices = [i for i, _ in self._columns]
        # with one index, itemgetter returns the cell itself
        self._pick = itemgetter(*indices) if len(indices) > 1 else lambda row: [row[i] for i in indices]
        self._whole = True

    def records(self) -> Iterator[Record]:
        """Yield a record for every row that measures anything."""
        held: tuple[int, list[str]] | None = None
        for line, row in _split(self._lines, self._layout, self._parsed):
            if held is not None:
                record = self._row(*held, ends=False)
                held = None
                if record is not None:
                    yield record
            if len(row) == self._width:
                record = self._row(line, row, ends=False)
                if record is not None:
                    yield record
            elif row:
                held = line, row  # whether it is merely cut short shows when there is no other
        if held is not None and (record := self._row(*held, ends=True)) is not None:
            yield record
        if self._count:
            keys = tuple(self._keys)
            self._parsed.templates = [
                Template(sample=self._sample, count=self._count + self._lines.skipped, keys=keys)
            ]

    def _row(self, line: int, row: list[str], *, ends: bool) -> Record | None:
        columns = self._columns
        if len(row) != self._width:
            while len(row) > self._width and not row[-1].strip():
                row.pop()
            if len(row) != self._width:
                columns = self._known(row, ends=ends)
        record = (self._special_record if self._special else self._record)(line, row, columns)
        if record is None:
            self._other_row(row)
        elif not self._count or columns is not self._columns or self._special:
            self._sample = self._sample or self._layout.separator.join(row)[:_LONGEST_SAMPLE]
            if len(self._keys) < _MOST_COLUMNS:
                self._keys.update(dict.fromkeys(record.values))
        self._count += record is not None
        return record

    def _other_row(self, row: list[str]) -> None:
        """Take note of a row that is no record: a header, or something else."""
        if [cell.strip() for cell in row] == self._stripped:
            if self._count and self._counts:
                self._run += 1  # nothing else tells where the next run begins
            return
        renewed = _header(row)
        if len(renewed) > 1 and is_log_header([name for name in renewed if name]):
            self._take(renewed)
        else:
            self._parsed.unread += any(map(str.isdigit, "".join(row)))

    def _record(self, line: int, row: list[str], columns: Sequence[tuple[int, str]]) -> Record | None:
        values: dict[str, float] = {}
        if columns is self._columns and self._whole:
            try:
                values = dict(zip(self._names, map(float, self._pick(row)), strict=True))
            except ValueError:
                values = {}
        if not values:
            comma = self._layout.decimal_comma
            for i, name in columns:
                cell = row[i]
                if not cell:
                    continue
                try:
                    values[name] = float(cell)
                except ValueError:
                    if (value := number(cell, decimal_comma=comma)) is not None:
                        values[name] = value
            self._whole = len(values) == len(self._columns)
        step = self._at(row, self._step, "planned_steps") if self._step >= 0 else None
        epoch = self._at(row, self._epoch, "planned_epochs") if self._epoch >= 0 else None
        if not values or (step is None and epoch is None and not self._counts):
            return None
        if step is not None:
            step, epoch = self._clock.at(step, epoch)
        group = f"run {self._run}" if self._run > 1 else ""
        return Record(values=values, line=line, step=step, epoch=epoch, group=group)

    def _special_record(self, line: int, row: list[str], columns: Sequence[tuple[int, str]]) -> Record | None:
        if [cell.strip() for cell in row] == self._stripped:
            return None
        known = {self._header[i] or "epoch": row[i] for i in (self._step, self._epoch) if 0 <= i < len(row)}
        return self._rows.record({**known, **{name: row[i] for i, name in columns}}, line)

    def _at(self, row: Sequence[str], index: int, hint: str) -> float | None:
        if index >= len(row):
            return None
        text = row[index]
        if text.isdigit():
            return float(text)
        at, total = place(text.replace(",", ".") if self._layout.decimal_comma else text)
        if total:
            self._parsed.hints[hint] = total
        return at

    def _known(self, row: Sequence[str], *, ends: bool) -> list[tuple[int, str]]:
        """Return the columns whose place in a row of another width than the header is certain.

        Loggers leave out the columns of a validation that did not take place, or write the header before
        the first one did. Where exactly the validation columns are missing, the others move up.
        """
        if ends and len(row) < len(self._header):  # the writer was stopped within its last number
            return [(i, name) for i, name in self._columns if i < len(row) - 1]
        kept = [i for i, name in enumerate(self._header) if phase_of(name) not in {"val", "test"}]
        if len(kept) == len(row):
            moved = {old: new for new, old in enumerate(kept)}
            return [(moved[i], name) for i, name in self._columns if i in moved]
        certain = next(
            (
                i
                for i, name in enumerate(self._header)
                if phase_of(name) in {"val", "test"} or "lr" in normal(name)
            ),
            len(self._header),
        )
        return [(i, name) for i, name in self._columns if i < min(certain, len(row))]


def _is_history(header: Sequence[str]) -> bool:
    names = {normal(name) for name in header if name}
    return any(phase_of(name) == "val" and name.partition("_")[2] in names for name in names)
