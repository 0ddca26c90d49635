"""MLflow's database ``mlflow.db``: the table of metrics of its runs.

The file is opened immutable and read-only. What is no number is stored as 0 with a mark, infinities as the
largest double.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs._curves import Curves, or_instead
from imbalance_doctor.sources.logs._folders import need_path
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_MAGIC = b"SQLite format 3\0"
_NEEDED = frozenset(("key", "value", "timestamp", "run_uuid"))
_LARGEST = 1.797e308  # stands for infinity
_MOST_RUNS = 500
_MOST_ROWS = 20_000_000
_LONGEST_VALUE = 1_000_000  # bytes of one cell
_LONGEST_SQL = 20_000
_STEPS, _MOST_STEPS = 100_000, 20_000  # of SQLite's machine: between two looks, and looks
_SHORT = 8


class MlflowSqlite(LogReader):
    """MLflow's SQLite database."""

    title = "an MLflow database"
    rank = 23

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the first bytes: any SQLite file, since no other reader takes one."""
        return file.head.startswith(_MAGIC)

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004 - keys are renamed elsewhere
        """Read the metrics of all runs.

        Raises
        ------
        InputError
            The database is damaged.
        """
        path = need_path(file, MlflowSqlite.title)
        parsed = Parsed(format="MLflow database", records=())
        with _connect(path, file.name) as database:
            columns = _columns(database, "metrics")
        if not columns >= _NEEDED:
            parsed.instead = "an SQLite database without MLflow's table of metrics"
            return parsed
        if path.with_name(path.name + "-wal").exists():
            parsed.notes.append(
                "what MLflow has not yet moved from its -wal file into the database is missing"
            )
        records = _records(path, file.name, columns, parsed)
        parsed.records = or_instead(records, parsed, "an MLflow database without metrics")
        return parsed


@contextmanager
def _connect(path: Path, name: str) -> Iterator[sqlite3.Connection]:
    """Open a database from a stranger: nothing is written, no query is endless."""
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        return looks > _MOST_STEPS

    try:
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            database.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _LONGEST_SQL)
            database.set_progress_handler(stop, _STEPS)
            database.text_factory = lambda data: data.decode("utf-8", "replace")
            for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON", "mmap_size=0"):
                database.execute(f"PRAGMA {pragma}")
            yield database
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        # names in a damaged schema need not be text, nor SQLite's message about them
        reason = "a damaged schema" if isinstance(error, UnicodeDecodeError) else error
        raise InputError(
            f"expected a readable SQLite database, but got: {reason}",
            where=name,
            hint="the file is truncated or damaged",
        ) from error


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    """Return the columns of a plain table; none for a view, a virtual table, or no table."""
    found = database.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? LIMIT 1", (table,)
    ).fetchone()
    if not found or not str(found[0]).lstrip().upper().startswith("CREATE TABLE"):
        return set()
    return {str(row[1]) for row in database.execute(f'PRAGMA table_info("{table}")').fetchmany(100)}


def _records(path: Path, name: str, columns: set[str], parsed: Parsed) -> Iterator[Record]:
    step = "step" if "step" in columns else "NULL"
    marked = "is_nan" if "is_nan" in columns else "0"
    with _connect(path, name) as database:
        runs = [
            row[0]
            for row in database.execute(
                "SELECT DISTINCT run_uuid FROM metrics ORDER BY run_uuid LIMIT ?", (_MOST_RUNS,)
            )
        ]
        if len(runs) == _MOST_RUNS:
            parsed.notes.append(f"read only the first {_MOST_RUNS:,} runs")
        names = _names(database)
        for run in runs:
            curves = Curves()
            query = f"SELECT key, value, timestamp, {step}, {marked} FROM metrics WHERE run_uuid IS ? LIMIT ?"  # noqa: S608
            for row in database.execute(query, (run, _MOST_ROWS)):
                _take(row, curves)
            group = f"{names.get(run, '')} {str(run)[:_SHORT]}".strip() if len(runs) > 1 else ""
            yield from curves.records(group)


def _names(database: sqlite3.Connection) -> dict[object, str]:
    if not _columns(database, "runs") >= {"run_uuid", "name"}:
        return {}
    return {
        r: str(n or "") for r, n in database.execute("SELECT run_uuid, name FROM runs LIMIT ?", (_MOST_RUNS,))
    }


def _take(row: tuple[object, ...], curves: Curves) -> None:
    key, value, time, step, is_nan = row
    if not isinstance(key, str):
        return
    number = math.nan if is_nan else value
    if not isinstance(number, int | float):
        return
    if abs(number) >= _LARGEST:
        number = math.copysign(math.inf, number)
    curves.add(
        key,
        float(number),
        step=float(step) if isinstance(step, int | float) else None,
        order=float(time) / 1000 if isinstance(time, int | float) else 0.0,
    )
