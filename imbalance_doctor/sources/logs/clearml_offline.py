"""ClearML's offline sessions: a zip archive, or its folder, with lists of events as lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imbalance_doctor.sources.logs._archive import json_lines, members
from imbalance_doctor.sources.logs._curves import Curves, or_instead
from imbalance_doctor.sources.logs._folders import need_path
from imbalance_doctor.sources.logs._numbers import plain
from imbalance_doctor.sources.logs._printed import PrintedText
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_METRICS, _PRINTED, _TASK = "metrics.jsonl", "log.jsonl", "task.json"
_MONITOR = ":monitor:"  # load of the machine


class ClearmlOffline(LogReader):
    """A ClearML offline session."""

    title = "a ClearML offline session"
    rank = 25

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the names in the archive or folder."""
        names = members(file)
        return _TASK in names and bool(names & {_METRICS, _PRINTED})

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:
        """Read the reported scalars, or what the program printed where there are none.

        Raises
        ------
        InputError
            The archive cannot be opened, is damaged or unpacks to an absurd size.
        """
        parsed = Parsed(format="ClearML offline session", records=())
        records = _records(need_path(file, ClearmlOffline.title), members(file), options, parsed)
        parsed.records = or_instead(records, parsed, "a ClearML offline session without scalars")
        return parsed


def _records(path: Path, names: set[str], options: Options, parsed: Parsed) -> Iterator[Record]:
    curves = Curves()
    if _METRICS in names:
        for event in _events(path, _METRICS, parsed):
            _take(event, curves)
    rows = bool(curves.tags())
    yield from curves.records()
    if _PRINTED in names:
        lines = (str(event.get("msg", "")).encode() + b"\n" for event in _events(path, _PRINTED, parsed))
        printed = PrintedText(lines, options)
        for record in printed.records(""):
            if not rows:
                yield record
        printed.tell(parsed, only_crash=rows)


def _events(path: Path, member: str, parsed: Parsed) -> Iterator[dict[str, object]]:
    for _, found in json_lines(path, member, parsed):
        for event in found if isinstance(found, list) else [found]:
            if isinstance(event, dict):
                yield event


def _take(event: dict[str, object], curves: Curves) -> None:
    metric, variant = event.get("metric"), event.get("variant")
    value, step, time = (plain(event.get(k)) for k in ("value", "iter", "timestamp"))
    if not isinstance(metric, str) or metric.startswith(_MONITOR) or value is None:
        return
    if step is not None and step < 0:
        return  # a summary value, without an iteration
    named = isinstance(variant, str) and variant not in {"", metric}
    curves.add(f"{metric}/{variant}" if named else metric, value, step=step, order=(time or 0.0) / 1000)
