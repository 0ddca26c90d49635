"""Stores that only their own tool can read: say which command exports them."""

from __future__ import annotations

from pathlib import Path

from imbalance_doctor.sources.logs._folders import children
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed

_STORES = {
    ".aim": (
        "an Aim repository, which only Aim can read",
        "export the metrics with `aim.Repo('.').query_metrics().dataframe().to_csv('metrics.csv')`",
    ),
    ".neptune": (
        "Neptune's offline queue, which only Neptune can read",
        "send it with `neptune sync`, then export a series with `run['val/loss'].fetch_values()`",
    ),
}

_LOGS = frozenset((".csv", ".tsv", ".json", ".jsonl", ".log", ".txt", ".out", ".err", ".zip", ".db"))


class Exports(LogReader):
    """Folders of trackers whose format is not public."""

    title = "a tracker's own store"
    rank = 900

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the name of the folder, or of one in it."""
        return file.is_folder and _store(Path(file.path or ".")) is not None

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004 - nothing is read
        """Say what it is and how to export it."""
        found, command = _STORES[_store(Path(file.path or ".")) or ".aim"]
        return Parsed(format="tracker's own store", records=(), instead=found, notes=[command])


def _store(folder: Path) -> str | None:
    """Return the store that a folder is, or holds without any file beside it that could be a log."""
    own = folder.resolve().name
    if own in _STORES:
        return own
    entries = children(folder)
    if any(Path(entry.name).suffix in _LOGS for entry in entries):
        return None
    return next((entry.name for entry in entries if entry.name in _STORES), None)
