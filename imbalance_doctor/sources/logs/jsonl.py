"""JSON lines: one object per record, as detectron2, mmcv, mmengine and many hand-written loops log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from imbalance_doctor.sources.logs._decode import Lines
from imbalance_doctor.sources.logs._rows import Rows
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record, Template

_SHARE = 0.8
_SAMPLE = 200
_LONGEST_SAMPLE = 300

# Keys that only one program writes, and what it calls the file.
_PROGRAMS = (
    ({"iteration", "total_loss"}, "detectron2 metrics.json"),
    ({"mode", "epoch", "iter"}, "mmcv log.json"),
    ({"data_time", "iter", "step"}, "mmengine scalars.json"),
    ({"current_steps", "total_steps", "elapsed_time"}, "LLaMA-Factory trainer_log.jsonl"),
    ({"_step", "_runtime"}, "W&B history"),
)


class Jsonl(LogReader):
    """Objects, one a line. A line that is none, such as a last one cut short, is counted and passed over."""

    title = "JSON lines"
    rank = 40

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by lines most of which hold one object each."""
        if file.is_folder:
            return False
        lines = [line for line in file.text.splitlines() if line.strip()][:_SAMPLE]
        several = False
        if not lines or not any(line.lstrip().startswith("{") for line in lines):
            return False
        if len(lines) > 1 and parse_line(lines[-1]) is None:
            lines.pop()  # cut short, by the head or because its writer was stopped
            several = True
        found = [row for line in lines if (row := parse_line(line)) is not None]
        several = several or len(lines) > 1 or file.size > len(file.head)
        if not several and found and not any(isinstance(v, (dict, list)) for v in found[0].values()):
            several = True  # the first row of a log that has just begun
        return several and len(found) >= _SHARE * len(lines)

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004  part of the interface
        """Read line by line."""
        parsed = Parsed(format=_program(file), records=())
        parsed.records = _records(file, parsed)
        return parsed


def parse_line(line: str) -> dict[str, Any] | None:
    """Return the object that a line holds; None when it holds none."""
    text = line.strip().rstrip(",")
    if not text.startswith("{"):
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _records(file: LogFile, parsed: Parsed) -> Iterator[Record]:
    rows = Rows(parsed)
    sample = ""
    lines = Lines(file)
    for line in lines:
        if line.isspace():
            continue
        row = parse_line(line)
        if row is None:
            parsed.unread += 1
            continue
        record = rows.record(row, lines.number)
        if record is not None:
            sample = sample or line.strip()[:_LONGEST_SAMPLE]
            yield record
    yield from rows.lost()
    if rows.count:
        parsed.templates = [Template(sample=sample, count=rows.count + lines.skipped, keys=tuple(rows.keys))]


def _program(file: LogFile) -> str:
    for line in file.text.splitlines()[:_SAMPLE]:
        keys = (parse_line(line) or {}).keys()
        for marks, name in _PROGRAMS:
            if marks <= keys:
                return name
    return "JSON lines"
