"""CatBoost's folder ``catboost_info``: the errors on learning and test data by iteration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Phase
from imbalance_doctor.sources.logs._folders import children, need_path, opening
from imbalance_doctor.sources.logs._numbers import long_lines, plain
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_FOLDER = "catboost_info"
_LEARN, _TEST, _JSON = "learn_error.tsv", "test_error.tsv", "catboost_training.json"
_LARGEST_JSON = 256 * 2**20
_FIRST_SET = ":0"  # a column `AUC:0` where there are several test sets; the last one's is `AUC`


class CatboostInfo(LogReader):
    """CatBoost's training folder."""

    title = "CatBoost's catboost_info"
    rank = 15  # before the event files in it

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the names in the folder."""
        return file.is_folder and _place(Path(file.path or ".")) is not None

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004 - keys are renamed elsewhere
        """Read the tables of errors, or what CatBoost's own viewer reads where they are missing.

        Raises
        ------
        InputError
            A file cannot be opened, or is no such table.
        """
        path = need_path(file, CatboostInfo.title)
        folder = _place(path) or path
        parsed = Parsed(format="CatBoost catboost_info", records=())
        learn, test = folder / _LEARN, folder / _TEST
        if learn.is_file() or test.is_file():
            parsed.records = _join(_table(learn, "train", parsed), _table(test, "val", parsed))
        else:
            parsed.records = _from_json(folder / _JSON)
        return parsed


def _place(folder: Path) -> Path | None:
    for place in (folder, folder / _FOLDER):
        names = {entry.name for entry in children(place)}
        if _JSON in names or {_LEARN, _TEST} & names:
            return place
    return None


def _join(learn: Iterator[Record], test: Iterator[Record]) -> Iterator[Record]:
    """Yield both tables by iteration, neither held in memory."""
    one, two = next(learn, None), next(test, None)
    while one or two:
        if one and (two is None or (one.step or 0) <= (two.step or 0)):
            yield one
            one = next(learn, None)
        elif two:
            yield two
            two = next(test, None)


def _table(path: Path, phase: Phase, parsed: Parsed) -> Iterator[Record]:
    if not path.is_file():
        return
    with opening(path), path.open("rb") as stream:
        names: list[str] = []
        for number, line in enumerate(long_lines(stream), 1):
            cells = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
            if not names:
                names = cells[1:]
                several = any(name.endswith(_FIRST_SET) for name in names)
                if several:
                    parsed.notes.append("read only the first of several test sets")
                continue
            try:
                step, *values = map(float, cells)
            except ValueError:
                parsed.unread += 1
                continue
            row = {
                name.removesuffix(_FIRST_SET): value
                for name, value in zip(names, values, strict=False)
                if not several or name.endswith(_FIRST_SET)
            }
            if row:
                yield Record(values=row, line=number, step=step, phase=phase)


def _from_json(path: Path) -> Iterator[Record]:
    with opening(path), path.open("rb") as stream:
        data = stream.read(_LARGEST_JSON + 1)
    if len(data) > _LARGEST_JSON:
        raise InputError(f"expected at most {_LARGEST_JSON:,} bytes, but got more", where=path)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON, but got: {error}", where=path) from error
    meta, rows = (found.get(k) for k in ("meta", "iterations")) if isinstance(found, dict) else (None, None)
    if not isinstance(meta, dict) or not isinstance(rows, list):
        raise InputError("expected an object with meta and iterations, but got another", where=path)
    tests = _list(meta.get("test_sets"))
    phases: list[tuple[object, list[object], Phase]] = [
        ("learn", _list(meta.get("learn_metrics")), "train"),
        (tests[0] if tests else "test", _list(meta.get("test_metrics")), "val"),
    ]
    for line, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            continue
        for key, metrics, phase in phases:
            values = _values(metrics, _list(row.get(key) if isinstance(key, str) else None))
            if values:
                yield Record(values=values, line=line, step=plain(row.get("iteration")), phase=phase)


def _list(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _values(metrics: list[object], stated: list[object]) -> dict[str, float]:
    values = {}
    for metric, value in zip(metrics, stated, strict=False):
        name = metric.get("name") if isinstance(metric, dict) else None
        number = plain(value)
        if isinstance(name, str) and number is not None:
            values[name] = number
    return values
