"""Runs of Weights & Biases on disk: ``run-*.wandb`` files, a run's folder, or the folder ``wandb``.

A file is a LevelDB log: blocks of 32 KiB with chunks in them, a record being one chunk or several. Records
are protocol buffers: rows of metrics, and beside them what the program printed. A run that crashed before its
first row still tells by its printed lines what happened.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from imbalance_doctor.sources.logs import _wire
from imbalance_doctor.sources.logs._folders import find_files, need_path, opening
from imbalance_doctor.sources.logs._numbers import flatten, long_lines, plain
from imbalance_doctor.sources.logs._printed import PrintedText
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_MAGIC = b":W&B"
_FILE_HEADER = 7
_BLOCK = 32_768
_CHUNK_HEADER = struct.Struct("<IHB")
_WHOLE, _FIRST, _LAST = 1, 2, 4
_LARGEST_RECORD = 16 * 2**20
_DEPTH = 2
_MOST_RUNS = 500
_OLD_HISTORY = "wandb-history.jsonl"  # before version 0.10
_DAMAGED = "a damaged record was left out"
_SAMPLE = 200  # rows looked at to choose the clock

# numbers of fields in Record, HistoryRecord, HistoryItem, HistoryStep, OutputRecord and RunExitRecord
_HISTORY, _OUTPUT, _RAW_OUTPUT, _EXIT = 2, 4, 13, 18
_ITEM, _STEP = 1, 2
_KEY, _NESTED_KEY, _INTEGER, _NUMBER, _TEXT, _JSON, _VALUE_JSON = 1, 2, 5, 6, 7, 8, 16
_STEP_NUMBER = 1
_LINE = 3
_EXIT_CODE = 1

_OWN = ("_step", "_runtime", "_timestamp", "_wandb")
_CLOCKS = ("trainer/global_step", "train/global_step", "global_step")
_EPOCHS = ("epoch", "train/epoch", "trainer/epoch")


class WandbOffline(LogReader):
    """Runs of Weights & Biases as they lie on disk."""

    title = "Weights & Biases run files"
    rank = 21

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the first bytes, or by the names in a folder."""
        if file.is_folder:
            return bool(find_files(Path(file.path or "."), _is_run_file, depth=_DEPTH, most=1))
        return file.head.startswith(_MAGIC)

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:
        """Read the rows of one run or of all runs in a folder.

        Raises
        ------
        InputError
            A file cannot be opened.
        """
        path = need_path(file, WandbOffline.title)
        parsed = Parsed(format=WandbOffline.title, records=())
        paths = [path]
        if file.is_folder:
            paths = find_files(path, _is_run_file, depth=_DEPTH, most=_MOST_RUNS)
            if len(paths) == _MOST_RUNS:
                parsed.notes.append(f"read only the first {_MOST_RUNS:,} runs")
        parsed.records = chain.from_iterable(
            _run(p, p.parent.name if len(paths) > 1 else "", options, parsed) for p in paths
        )
        return parsed


def _is_run_file(name: str) -> bool:
    return name.endswith(".wandb") or name == _OLD_HISTORY


def _run(path: Path, group: str, options: Options, parsed: Parsed) -> Iterator[Record]:
    if path.name == _OLD_HISTORY:
        with opening(path), path.open("rb") as stream:
            yield from _records(_old_rows(stream, parsed), group)
        return
    run = _RunFile(path)
    rows = 0
    for record in _records(run.rows(), group):
        rows += 1
        yield record
    if run.damage:
        parsed.notes.append(f"{path.name}: {run.damage}")
    if not rows or run.exit_code != 0:
        # what was printed tells why there are no rows, or how the run ended
        printed = PrintedText(run.printed(), options)
        for record in printed.records(group):
            if not rows:
                yield record
        printed.tell(parsed, only_crash=rows > 0)


def _records(rows: Iterable[dict[str, float]], group: str) -> Iterator[Record]:
    rows = iter(rows)
    sample = list(islice(rows, _SAMPLE))
    # the count of optimiser steps, where it is logged, says more than the count of calls to `log`
    clock = next((c for c in _CLOCKS if 2 * sum(c in row for row in sample) >= len(sample) > 0), "_step")
    for row in chain(sample, rows):
        values = {k: v for k, v in row.items() if k != clock and k not in _OWN and k not in _EPOCHS}
        if values:
            epoch = next((row[k] for k in _EPOCHS if k in row), None)
            yield Record(values=values, step=row.get(clock), epoch=epoch, group=group)


def _old_rows(stream: BinaryIO, parsed: Parsed) -> Iterator[dict[str, float]]:
    for line in long_lines(stream):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            parsed.unread += 1
            continue
        if isinstance(row, dict):
            yield dict(flatten(row, "."))


class _RunFile:
    """One ``.wandb`` file.

    Attributes
    ----------
    damage
        What could not be read.
    exit_code
        Of the program; None where the file does not say how the run ended.
    """

    def __init__(self, path: Path) -> None:
        self.damage = ""
        self.exit_code: int | None = None
        self._path = path

    def rows(self) -> Iterator[dict[str, float]]:
        """Yield the rows of metrics."""
        for record in self._payloads():
            row: dict[str, float] = {}
            try:
                for number, value in _wire.fields(record):
                    if number == _HISTORY and isinstance(value, bytes):
                        row = _row(value)
                    elif number == _EXIT and isinstance(value, bytes):
                        self.exit_code = _exit_code(value)
            except _wire.MalformedMessageError:
                self.damage = _DAMAGED
            if row:
                yield row

    def printed(self) -> Iterator[bytes]:
        """Yield what the program printed, as it came."""
        for record in self._payloads():
            try:
                lines = [
                    line
                    for number, value in _wire.fields(record)
                    if number in {_OUTPUT, _RAW_OUTPUT} and isinstance(value, bytes)
                    for inner, line in _wire.fields(value)
                    if inner == _LINE and isinstance(line, bytes)
                ]
            except _wire.MalformedMessageError:
                continue
            yield from lines

    def _payloads(self) -> Iterator[bytes]:
        with opening(self._path), self._path.open("rb") as stream:
            yield from self._records_in(stream)

    def _records_in(self, stream: BinaryIO) -> Iterator[bytes]:
        """Put chunks together to records; what a checksum refutes is left out."""
        stream.seek(_FILE_HEADER)
        room = _BLOCK - _FILE_HEADER
        parts: list[bytes] = []
        size = 0
        while block := stream.read(room):
            position = 0
            while position + _CHUNK_HEADER.size <= len(block):
                checksum, length, kind = _CHUNK_HEADER.unpack_from(block, position)
                position += _CHUNK_HEADER.size
                data = block[position : position + length]
                position += length
                if zlib.crc32(data, zlib.crc32(bytes([kind]))) != checksum:
                    if len(data) == length or len(block) == room:
                        self.damage = _DAMAGED
                    parts, size = [], 0
                    break
                if kind in {_WHOLE, _FIRST}:
                    parts, size = [], 0
                size += length
                if size <= _LARGEST_RECORD:
                    parts.append(data)
                if kind in {_WHOLE, _LAST}:
                    if size <= _LARGEST_RECORD:
                        yield b"".join(parts)
                    parts, size = [], 0
            room = _BLOCK


def _exit_code(data: bytes) -> int:
    codes = [value for number, value in _wire.fields(data) if number == _EXIT_CODE]
    return codes[0] if codes and isinstance(codes[0], int) else 0


def _row(data: bytes) -> dict[str, float]:
    """Return the numbers of one row by key."""
    items: list[tuple[tuple[str, ...], float | Mapping[str, object]]] = []
    media: set[tuple[str, ...]] = set()
    row: dict[str, float] = {}
    for number, value in _wire.fields(data):
        if number == _STEP and isinstance(value, bytes):
            steps = [v for n, v in _wire.fields(value) if n == _STEP_NUMBER and isinstance(v, int)]
            row["_step"] = float(_wire.signed(steps[0])) if steps else 0.0
        elif number == _ITEM and isinstance(value, bytes):
            key, stated = _item(value)
            if key[-1:] == ("_type",):
                media.add(key[:-1])
            elif key and stated is not None:
                items.append((key, stated))
    for key, stated in items:
        if key[:-1] in media:
            continue  # an image or a histogram, not a nested metric
        name = ".".join(key)
        if isinstance(stated, Mapping):
            row |= dict(flatten(stated, ".", name))
        else:
            row[name] = stated
    return row


def _item(data: bytes) -> tuple[tuple[str, ...], float | Mapping[str, object] | None]:
    keys: list[str] = []
    stated: float | Mapping[str, object] | None = None
    for number, value in _wire.fields(data):
        if number in {_KEY, _NESTED_KEY}:
            keys.append(_wire.text(value))
        elif number in {_JSON, _VALUE_JSON} and isinstance(value, bytes):
            stated = _stated(value)
        elif number == _INTEGER and isinstance(value, int):
            stated = float((value >> 1) ^ -(value & 1))
        elif number == _NUMBER and isinstance(value, bytes) and len(value) == 8:  # noqa: PLR2004 - a double
            stated = struct.unpack("<d", value)[0]
        elif number == _TEXT:
            stated = plain(_wire.text(value))
    return tuple(keys), stated


def _stated(data: bytes) -> float | Mapping[str, object] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else plain(found)
