"""A structure of dicts and lists that holds a training history somewhere: found, and turned into records.

Real histories come as a dict of lists (Keras), a list of dicts, lists by phase and metric (XGBoost, LightGBM,
hand-written), rows by epoch, and any of these under a key of its own beside settings and final results.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs._rows import (
    Rows,
    flatten,
    is_log_header,
    is_metric,
    normal,
    number,
    other_table,
    phase_of,
    place,
    role_of,
    words,
)
from imbalance_doctor.sources.logs.base import Parsed, Record, Template

__all__ = ["has_history", "instead_of_history", "records_of", "whole_rows"]

_DEEPEST = 8
_MOST_PARTS = 20_000
_MOST_NUMBERS = 20_000_000
_WIDEST = 64
_LONGEST_NAME = 80
_ENOUGH = 2
_WALL_CLOCK = 1e9
_TRIPLE = 3  # time, step, value
_FEW = 5
_WRAPPERS = words(
    "history histories log logs metrics metric results result log_history records data scalars curves "
    "training_history train_history training_log stats values"
)
_NUMBERED = re.compile(r"(\D*?)[\s_\-#:]*(\d+)", re.ASCII)
_GROUP = re.compile(
    r"(?:fold|run|seed|client|trial|model|exp|experiment|rep|repeat|cv|site)[\s_-]?\w+", re.IGNORECASE
)
_EPOCH_WORDS = frozenset(("", "epoch", "ep", "e", "step", "iter", "iteration", "round"))
_MOMENTS = frozenset(("epoch", "step", "global_step", "iter", "iteration", "round"))
_BOOSTED = re.compile(r"(?:validation|valid|eval)_\d")
_SEPARATOR = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class _Column:
    path: tuple[str, ...]
    group: str
    values: Sequence[Any]
    home: int

    @property
    def key(self) -> str:
        return "/".join(self.path)


@dataclass(frozen=True, slots=True)
class _Table:
    path: tuple[str, ...]
    group: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class _Found:
    columns: list[_Column] = field(default_factory=list)
    tables: list[_Table] = field(default_factory=list)
    stem: str = ""
    home: int = 0  # the dict that is being looked through
    parts: int = 0
    numbers: int = 0


def whole_rows(text: str, begin: int) -> list[Mapping[str, Any]]:
    """Return the objects that stand one after the other, with or without commas, from `begin` on."""
    decoder = json.JSONDecoder()
    rows: list[Mapping[str, Any]] = []
    at = begin
    while (between := _SEPARATOR.match(text, at)) and text.startswith("{", between.end()):
        try:
            row, at = decoder.raw_decode(text, between.end())
        except (ValueError, RecursionError):
            break
        rows.append(row)
    return rows


def instead_of_history(value: Any) -> str:
    """Return what lists a structure holds that measure, but follow no run."""
    found = _Found()
    with contextlib.suppress(_TooLargeError):
        _walk(_unfolded(value), (), "", found, 0)
    others = (other_table([c.path[-1] for c in home if c.path]) for home in _by_home(found.columns))
    return next(filter(None, others), "")


def has_history(value: Any) -> bool:
    """Tell whether anything in a structure looks like a series of at least two points."""
    found = _Found()
    try:
        _walk(_unfolded(value), (), "", found, 0)
    except _TooLargeError:
        return False
    return any(len(c.values) >= _ENOUGH for c in _sensible(found.columns)) or any(
        len(t.rows) >= _ENOUGH for t in found.tables
    )


def records_of(value: Any, parsed: Parsed, *, stem: str, where: str) -> Iterator[Record]:
    """Yield the records of a structure.

    Parameters
    ----------
    value
        Dicts, lists, tuples, numbers and text.
    parsed
        Takes hints, templates and notes.
    stem
        Name of the file without its ending: the key of a list that has no other.
    where
        For errors.

    Raises
    ------
    InputError
        The structure is absurdly large.
    """
    found = _Found(stem=stem)
    value = _unfolded(value)
    try:
        _walk(value, (), "", found, 0)
    except _TooLargeError as error:
        raise InputError("expected a training history, but got far too many parts", where=where) from error
    rows = Rows(parsed)
    columns = _sensible(found.columns)
    tables = _best(found.tables)
    # Rows and lists side by side: what measures more is the history, the other sums it up.
    if sum(len(t.rows) for t in tables) * _ENOUGH >= sum(len(c.values) for c in columns):
        columns = [] if tables else columns
    else:
        tables = []
    yield from rows.records(enumerate(_merged(tables), start=1))
    yield from rows.lost()
    for group in dict.fromkeys(column.group for column in columns):
        members = [column for column in columns if column.group == group]
        for i, row in enumerate(_aligned(members, stem), start=1):
            record = rows.record({**row, "run": group} if group else row, i)
            if record is not None:
                yield record
    if rows.count:
        parsed.templates = [
            Template(sample=", ".join(rows.keys)[:300], count=rows.count, keys=tuple(rows.keys))
        ]


class _TooLargeError(InputError):
    pass


def _unfolded(value: Any) -> Any:
    """Return the rows of layouts that keep the names apart from the numbers (pandas, CatBoost)."""
    if not isinstance(value, dict):
        return value
    names, data = value.get("columns"), value.get("data")
    if (
        isinstance(names, list)
        and _are_names(names)
        and isinstance(data, list)
        and all(isinstance(row, list) for row in data)
    ):
        return [dict(zip(names, row, strict=False)) for row in data]
    meta, iterations = value.get("meta"), value.get("iterations")
    if isinstance(meta, dict) and isinstance(iterations, list):
        return [_iteration(row, meta) for row in iterations if isinstance(row, dict)]
    return value


def _are_names(names: Sequence[Any]) -> bool:
    return bool(names) and all(isinstance(name, str) for name in names)


def _iteration(row: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return one iteration of a ``catboost_training.json``, its metrics under their names."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if not isinstance(value, list):
            flat[key] = value
            continue
        metrics = meta.get("learn_metrics" if key.startswith("learn") else "test_metrics")
        names = [m.get("name") for m in metrics if isinstance(m, dict)] if isinstance(metrics, list) else []
        flat.update({f"{key}/{name}": v for name, v in zip(names, value, strict=False)})
    return flat


def _walk(value: Any, path: tuple[str, ...], group: str, found: _Found, depth: int) -> None:
    found.parts += 1
    if found.parts > _MOST_PARTS:
        raise _TooLargeError("too large")
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        _walk_dict(value, path, group, found, depth)
    elif isinstance(value, (list, tuple)) and value:
        _walk_list(value, path, group, found, depth)


def _walk_dict(value: dict[Any, Any], path: tuple[str, ...], group: str, found: _Found, depth: int) -> None:
    home = found.home = found.parts
    numbered = {key: _NUMBERED.fullmatch(str(key)[:_LONGEST_NAME]) for key in value}
    if len(value) >= _ENOUGH and all(numbered.values()):
        ordered = sorted(value, key=lambda key: int(numbered[key][2][:18]))  # type: ignore[index]
        word = normal(next(iter(numbered.values()))[1]) if value else ""  # type: ignore[index]
        if all(not isinstance(v, (dict, list, tuple)) for v in value.values()):
            _add_column([value[key] for key in ordered], path, group, found)
            return
        rows = [value[key] for key in ordered]
        if word in _EPOCH_WORDS and all(isinstance(row, dict) and _is_row(row) for row in rows):
            if word or any("loss" in normal(str(key)) for key in flatten(rows[0])):
                at = "epoch" if word in {"", "epoch", "ep", "e"} else "step"
                numbers = [int(numbered[key][2][:18]) for key in ordered]  # type: ignore[index]
                _add_table([{at: n, **row} for n, row in zip(numbers, rows, strict=True)], path, group, found)
            return
    containers = {str(key): inner for key, inner in value.items() if isinstance(inner, (dict, list, tuple))}
    split = _names_runs(containers)
    plain = [k for k, v in containers.items() if isinstance(v, dict) and not _says(k)]
    for key, inner in containers.items():
        found.home = home
        if split and isinstance(inner, dict):
            name = f"{group}, {key}" if group else key
            _walk(inner, path, name, found, depth + 1)
        elif isinstance(inner, dict) and (normal(key) in _WRAPPERS or plain == [key]):
            _walk(inner, path, group, found, depth + 1)
        elif _GROUP.fullmatch(key) and not is_metric(key) and not _says(key):
            _walk(inner, path, f"{group}, {key}" if group else key, found, depth + 1)
        elif normal(key) in _WRAPPERS and any(isinstance(item, dict) for item in inner):
            _walk(inner, path, group, found, depth + 1)
        else:
            _walk(inner, (*path, key), group, found, depth + 1)


def _walk_list(value: Sequence[Any], path: tuple[str, ...], group: str, found: _Found, depth: int) -> None:
    if all(isinstance(item, dict) for item in value):
        if all(_is_row(item) for item in value):
            _add_table(value, path, group, found)
        else:  # several histories
            for i, item in enumerate(value, start=1):
                name = group if len(value) == 1 else f"{group}, {i}" if group else f"{i}"
                _walk(item, path, name, found, depth + 1)
    elif all(isinstance(item, (list, tuple)) for item in value):
        _add_lists(value, path, group, found)
    elif any(number(item) is not None for item in value) and not any(
        isinstance(item, (dict, list, tuple)) for item in value
    ):
        _add_column(value, path, group, found)


def _is_row(row: Mapping[Any, Any]) -> bool:
    """Tell whether a dict states numbers of one moment, rather than lists over time."""
    scalars = any(number(v) is not None for v in row.values())
    lists = [v for v in row.values() if isinstance(v, (list, tuple))]
    if any(normal(str(key)) in _MOMENTS and number(v) is not None for key, v in row.items()):
        return True
    if lists and not any(is_metric(str(k)) for k, v in row.items() if number(v) is not None):
        return not any(
            is_metric(str(k)) and len(v) > 1 for k, v in row.items() if isinstance(v, (list, tuple))
        )
    if scalars:
        return True
    return any(isinstance(v, dict) and v and _is_row(v) for v in row.values())


def _says(key: str) -> bool:
    """Tell whether a name belongs to the key of a curve: it names a phase or a metric."""
    parts = normal(key).split("_")
    return (
        is_metric(key)
        or any(phase_of(word) for word in (parts[0], parts[-1].rstrip("0123456789")) if word)
        or (phase_of(key) != "")
    )


def _names_runs(containers: Mapping[str, Any]) -> bool:
    """Tell whether the keys of a dict name runs: several dicts that measure the same."""
    dicts = {key: inner for key, inner in containers.items() if isinstance(inner, dict)}
    if len(dicts) < _ENOUGH or any(_says(key) for key in dicts):
        return False
    kinds = {frozenset(str(k) for k in inner) for inner in dicts.values()}
    return len(kinds) == 1 and any(kinds)


def _add_column(values: Sequence[Any], path: tuple[str, ...], group: str, found: _Found) -> None:
    found.numbers += len(values)
    if found.numbers > _MOST_NUMBERS:
        raise _TooLargeError("too large")
    if any(number(value) is not None for value in values):
        found.columns.append(_Column(path, group, values, found.home))


def _add_table(rows: Sequence[Mapping[str, Any]], path: tuple[str, ...], group: str, found: _Found) -> None:
    found.numbers += sum(map(len, rows))
    if found.numbers > _MOST_NUMBERS:
        raise _TooLargeError("too large")
    keys = list(dict.fromkeys(key for row in rows[:64] for key in flatten(row)))
    if is_log_header(keys) or any(phase_of(part) for part in path):
        found.tables.append(_Table(path, group, rows))


def _add_lists(value: Sequence[Sequence[Any]], path: tuple[str, ...], group: str, found: _Found) -> None:
    """Take a list of pairs (step, value) or triples (time, step, value), or of one vector per epoch."""
    widths = {len(row) for row in value}
    width = widths.pop()
    if widths or not 0 < width <= _WIDEST or len(value) < _ENOUGH:
        return
    columns = [[number(cell) for cell in column] for column in zip(*value, strict=True)]
    at = 1 if width == _TRIPLE and (columns[0][0] or 0) > _WALL_CLOCK else 0
    if "matrix" in normal("/".join(path)):
        return
    if width == at + 2 and len(value) > _ENOUGH and _rises(columns[at]):
        key = "/".join(path) or found.stem or "value"
        rows = [{"step": step, key: v} for step, v in zip(columns[at], columns[at + 1], strict=True)]
        _add_table(rows, path, group, found)
        return
    for i, column in enumerate(columns):
        _add_column(column, (*path[:-1], f"{path[-1]}[{i}]" if path else f"[{i}]"), group, found)


def _rises(column: Sequence[float | None]) -> bool:
    whole = [v for v in column if v is not None and math.isfinite(v) and v == int(v)]
    return len(whole) == len(column) and all(a < b for a, b in itertools.pairwise(whole))


def _by_home(columns: Iterable[_Column]) -> Iterable[list[_Column]]:
    """Return the lists that stand beside each other in one dict."""
    homes: dict[int, list[_Column]] = {}
    for column in columns:
        homes.setdefault(column.home, []).append(column)
    return homes.values()


def _sensible(columns: list[_Column]) -> list[_Column]:
    """Leave out lists that follow no run: the points of a ROC curve, counts by class, predictions."""
    kept = [
        column
        for home in _by_home(columns)
        if not other_table([column.path[-1] for column in home if column.path])
        for column in home
    ]
    telling = [c for c in kept if not c.path or _says(c.key) or role_of(c.path[-1]) in {"step", "epoch"}]
    return telling if any(is_metric(c.key) or _says(c.key) for c in telling) else kept


def _best(tables: list[_Table]) -> list[_Table]:
    """Return the tables that belong to the history: all phases and runs, or the largest of unlike ones."""
    if len(tables) <= 1:
        return tables
    told = [t for t in tables if t.group or any(phase_of(part) or is_metric(part) for part in t.path)]
    if len(told) == len(tables):
        return tables
    return [max(tables, key=lambda table: len(table.rows))]


def _merged(tables: list[_Table]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of all tables, the phases of one run in the order in which they were measured."""
    for group in dict.fromkeys(table.group for table in tables):
        placed: list[tuple[float, Mapping[str, Any]]] = []
        members = [table for table in tables if table.group == group]
        for table in members:
            phase = next((phase for part in table.path if (phase := phase_of(part))), "")
            for i, row in enumerate(table.rows):
                extra: dict[str, Any] = {}
                if phase and not any(phase_of(str(key)) for key in row):
                    extra["split"] = phase
                if group:
                    extra["run"] = group
                placed.append((_position(row, (i + 1) / len(table.rows), len(members)), {**row, **extra}))
        if len(members) > 1:
            placed.sort(key=lambda item: item[0])
        yield from (row for _, row in placed)


def _position(row: Mapping[str, Any], share: float, tables: int) -> float:
    if tables > 1:
        for role in ("step", "epoch"):
            for key, value in row.items():
                if role_of(str(key)) == role and (at := place(value)[0]) is not None:
                    return at
    return share


def _aligned(columns: list[_Column], stem: str) -> Iterator[dict[str, Any]]:
    """Yield rows from lists that need not be equally long."""
    axes = {c.key: c for c in columns if c.path and role_of(c.path[-1]) in {"step", "epoch"}}
    measured = [c for c in columns if c.key not in axes]
    if not measured:
        return
    longest = max(len(c.values) for c in measured)
    rows: list[dict[str, Any]] = [{} for _ in range(longest)]
    spread = False
    for column in measured:
        at = _places(column, axes.values(), longest)
        if at is None:
            continue
        spread = spread or len(at) * _ENOUGH <= longest
        for i, value in zip(at, column.values, strict=True):
            if value is not None:
                rows[i][column.key or stem] = value
    full = [axis for axis in axes.values() if len(axis.values) == longest]
    for axis in full:
        for row, value in zip(rows, axis.values, strict=True):
            row.setdefault(axis.path[-1], value)
    if not full and not spread and _is_by_epoch(measured):
        for i, row in enumerate(rows):
            row["epoch"] = i
    yield from rows


def _is_by_epoch(columns: Iterable[_Column]) -> bool:
    """Tell whether lists without an axis count epochs: training and validation are stated together."""
    parts = [part for column in columns for part in column.path]
    return any(phase_of(part) in {"val", "test"} for part in parts) and not any(map(_BOOSTED.match, parts))


def _places(column: _Column, axes: Iterable[_Column], longest: int) -> Sequence[int] | None:
    """Return the row of each value of a list; None where the list does not follow the run."""
    import bisect

    count = len(column.values)
    if count == longest:
        return range(count)
    own = next((a for a in axes if a.path[:-1] == column.path[:-1] and len(a.values) == count), None)
    main = next((a for a in axes if len(a.values) == longest and own and a.path[-1] == own.path[-1]), None)
    if own is not None and main is not None:
        scale = [number(v) for v in main.values]
        stands = [number(v) for v in own.values]
        if _ordered(scale) and _ordered(stands):
            found = [bisect.bisect_left(scale, v) for v in stands]  # type: ignore[type-var]
            return [min(i, longest - 1) for i in found]
    if count * _ENOUGH > longest:
        return range(count)
    if "class" in normal(column.key):
        return None
    if longest % count and count < _FEW:
        return None
    return [(i + 1) * longest // count - 1 for i in range(count)]


def _ordered(values: Sequence[float | None]) -> bool:
    known = [v for v in values if v is not None and math.isfinite(v)]
    return len(known) == len(values) and known == sorted(known)
