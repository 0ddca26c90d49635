"""MLflow's file store: ``mlruns``, an experiment or a run in it.

A run's folder ``metrics`` holds one file per key; a key with slashes becomes folders. A line is time in
milliseconds, value and step. Older versions wrote no step; newer ones add the data set or the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from imbalance_doctor.sources.logs._curves import MOST_TAGS, Curves, or_instead
from imbalance_doctor.sources.logs._folders import children, find_files, need_path, opening
from imbalance_doctor.sources.logs._numbers import long_lines
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_METRICS, _META, _STORE = "metrics", "meta.yaml", "mlruns"
_DEPTH = 5  # folders that the slashes of a key may make
_MOST_RUNS = 500
_LARGEST_META = 65_536
_RUN_NAME = re.compile(r"^run_name:[ \t]*['\"]?([^'\"\r\n]+)", re.MULTILINE)
_SHORT = 8


class MlflowFiles(LogReader):
    """MLflow's file store."""

    title = "an MLflow file store"
    rank = 22

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the folders in it."""
        return file.is_folder and any(True for _ in _runs(Path(file.path or ".")))

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004 - keys are renamed elsewhere
        """Read the metrics of one run or of all runs.

        Raises
        ------
        InputError
            A file cannot be opened.
        """
        parsed = Parsed(format="MLflow file store", records=())
        records = _records(need_path(file, MlflowFiles.title), parsed)
        parsed.records = or_instead(records, parsed, "an MLflow file store without metrics")
        return parsed


def _is_run(folder: Path) -> bool:
    names = {entry.name for entry in children(folder) if entry.is_dir(follow_symlinks=False)}
    return _METRICS in names and (bool(names & {"params", "tags", "artifacts"}) or (folder / _META).is_file())


def _runs(folder: Path) -> Iterator[Path]:
    """Yield the folders of runs: this one, those of an experiment, or those of all experiments."""
    if _is_run(folder):
        yield folder
        return
    for entry in children(folder):
        path = Path(entry.path)
        if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        if entry.name == _STORE:
            yield from _runs(path)
        elif _is_run(path):
            yield path
        elif folder.name == _STORE or (path / _META).is_file():
            # `models` beside the runs repeats their last values
            yield from (Path(e.path) for e in children(path) if e.name != "models" and _is_run(Path(e.path)))


def _records(folder: Path, parsed: Parsed) -> Iterator[Record]:
    runs: list[Path] = []
    for run in _runs(folder):
        if len(runs) == _MOST_RUNS:
            parsed.notes.append(f"read only the first {_MOST_RUNS:,} runs")
            break
        runs.append(run)
    for run in runs:
        curves = Curves()
        metrics = run / _METRICS
        for path in find_files(metrics, lambda name: not name.startswith("."), depth=_DEPTH, most=MOST_TAGS):
            parsed.unread += _read_metric(path, path.relative_to(metrics).as_posix(), curves)
        yield from curves.records(_name(run) if len(runs) > 1 else "")


def _name(run: Path) -> str:
    """Return the run's name, made unique by the beginning of its id."""
    with opening(run), (run / _META).open("rb") as stream:
        found = _RUN_NAME.search(stream.read(_LARGEST_META).decode("utf-8", "replace"))
    return f"{found[1].strip()} {run.name[:_SHORT]}" if found else run.name


def _read_metric(path: Path, key: str, curves: Curves) -> int:
    """Take in one file; return the number of lines that make no sense."""
    unread = 0
    with opening(path), path.open("rb") as stream:
        for line in long_lines(stream):
            parts = line.split()
            try:
                time, value = float(parts[0]), float(parts[1])
                step = float(parts[2]) if len(parts) > 2 else None  # noqa: PLR2004 - time, value, step
            except (ValueError, IndexError):
                unread += bool(parts)
                continue
            curves.add(key, value, step=step, order=time / 1000)
    return unread
