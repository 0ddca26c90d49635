"""What all log readers have in common: finding the files, choosing a reader by content, making runs.

A reader is one module with one class of the same name: ``trainer_state.py`` holds ``TrainerState``. It turns
a file (or a folder) into `Record` objects, one for each place where the log states numbers together, under
the log's own keys. What the keys mean, where one run ends and the next begins, which rows repeat each other
and what belongs to validation is settled here for all formats alike (`_keys`, `_assemble`).

The extension is never trusted: content chooses the reader.
"""

from __future__ import annotations

import bz2
import contextlib
import glob
import gzip
import importlib
import io
import lzma
import os
import pkgutil
import stat
import sys
import tempfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import Phase, TrainingLog

__all__ = [
    "LogFile",
    "LogReader",
    "LogReading",
    "Options",
    "Parsed",
    "Record",
    "Template",
    "read_logs",
    "readers",
]

STDIN = "-"
_HEAD = 2**16
_LARGEST_UNPACKED = 2**31
_CHUNK = 2**20
_BUFFER = 2**18
Progress = Callable[[int, int], None]
_DEEPEST = 6
_MOST_FILES = 2_000
_TEXT = 1000  # rank of the reader that takes any text
_NAMED = 5
_COMPRESSED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_PICKLE = b"\x80"
_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)
_NOT_UTF8_TEXT = 0.1  # share of control characters above which text in 16 bits is no text

# In folders only what may be a log by its name is looked at: the others are many, and large.
_SUFFIXES = frozenset(
    [
        "",
        ".log",
        ".txt",
        ".out",
        ".err",
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".ndjson",
        ".pkl",
        ".pickle",
        ".wandb",
        ".db",
        ".sqlite",
        ".sqlite3",
        ".zip",
        ".gz",
        ".bz2",
        ".xz",
        ".history",
    ]
)
_SKIPPED = frozenset(
    [
        "node_modules",
        "__pycache__",
        "site-packages",
        ".git",
        ".venv",
        "venv",
        "src",
        "weights",
        "checkpoints",
        "images",
    ]
)
_MARK = "tfevents"
_SAME_VALUES = 0.9
_AS_PRINTED = 2e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Numbers that a log states together: a line, a row, an event.

    Attributes
    ----------
    values
        By the log's own key. Not the step and the epoch where the format says what they are.
    line
        One-based line or row; 0 where the format has none.
    step, epoch
        Where the record stands, when it (or a header before it) says so. An epoch may be fractional.
    phase
        ``train`` or ``val`` where the record itself says so (a ``mode`` field, a prefix of the line);
        prefixes of single keys (``val_loss``) are left to `_keys`.
    group
        Fold, client, model, or whatever else makes runs of their own within one file.
    rank
        Worker that wrote it.
    """

    values: Mapping[str, float]
    line: int = 0
    step: float | None = None
    epoch: float | None = None
    phase: Phase = ""
    group: str = ""
    rank: str = ""


@dataclass(frozen=True, kw_only=True)
class Template:
    """Lines of one shape: the echo of what was understood.

    Attributes
    ----------
    sample
        One of the lines, as it stands in the file.
    count
        How many there are.
    keys
        The log's keys found in them.
    """

    sample: str
    count: int
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user says about the logs.

    Attributes
    ----------
    keys
        Canonical name by log key, from ``--map my_key=val_loss``: a key of `evidence.SERIES`, with
        ``train_`` or ``val_`` in front where it matters.
    patterns
        Regular expressions with named groups, from ``--pattern``, for text logs: group names are keys.
    progress
        Is told the bytes read so far of a file, and its size.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    progress: Progress | None = field(default=None, compare=False)


@dataclass(kw_only=True)
class Parsed:
    """What a reader makes of one file. `records` may be lazy; the rest is complete once it is exhausted.

    Attributes
    ----------
    format
        What the format is called in the report: ``Keras CSVLogger``.
    hints, crash, notes
        As in `evidence.TrainingLog`.
    unread
        Lines with numbers that no template explains.
    instead
        What the file is, when it is no training log: ``a LaTeX log``.
    """

    format: str
    records: Iterable[Record]
    templates: list[Template] = field(default_factory=list)
    hints: dict[str, float] = field(default_factory=dict)
    crash: str = ""
    notes: list[str] = field(default_factory=list)
    unread: int = 0
    instead: str = ""


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """One file or folder that may hold a log, not yet read.

    Attributes
    ----------
    path
        Where it lies; None for standard input.
    name
        How reports and errors call it.
    head
        Its first 64 KiB; empty for a folder.
    text
        `head` decoded, with its last line cut off if it is not complete; empty for binary files.
    size
        In bytes.
    progress
        As in `Options`.
    """

    path: Path | None
    name: str
    head: bytes = b""
    text: str = ""
    size: int = 0
    progress: Progress | None = field(default=None, compare=False)

    def open(self) -> BinaryIO:
        """Open it for reading from its beginning.

        Raises
        ------
        InputError
            It cannot be opened.
        """
        if self.path is None:
            return io.BytesIO(self.head)
        try:
            raw = _Counted(self.path, self.progress, self.size)
        except OSError as error:
            raise _unreadable(error, self.name) from error
        return io.BufferedReader(raw, _BUFFER)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path is not None and self.path.is_dir()


class _Counted(io.FileIO):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path, progress: Progress | None, size: int) -> None:
        super().__init__(path, "rb")
        self._progress, self._size, self._done = progress, size, 0

    def readinto(self, buffer: Any, /) -> int:
        """Read, and tell."""
        count = super().readinto(buffer) or 0
        self._done += count
        if self._progress is not None:
            self._progress(min(self._done, self._size), self._size)
        return count


class LogReader(ABC):
    """Reads one log format.

    Attributes
    ----------
    title
        What the format is called in messages.
    rank
        Order in which readers are asked, smallest first; free text comes last (1000).
    """

    title: ClassVar[str]
    rank: ClassVar[int] = 100

    @staticmethod
    @abstractmethod
    def recognises(file: LogFile) -> bool:
        """Tell from the head (or, for a folder, from the names in it) whether this reader reads it."""

    @staticmethod
    @abstractmethod
    def read(file: LogFile, options: Options) -> Parsed:
        """Read one file or folder.

        Raises
        ------
        InputError
            The file began like this format, but cannot be read as such.
        """


@dataclass(frozen=True, kw_only=True)
class LogReading:
    """What was understood of one path.

    Attributes
    ----------
    runs
        Empty when there is no training series.
    keys
        Canonical name (with phase and part) by the log's key, for every key that was understood.
    ignored
        Numeric keys that were not, most frequent first.
    instead
        What the file is, when it is no training log.
    """

    source: str
    format: str
    runs: tuple[TrainingLog, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    templates: tuple[Template, ...] = ()
    unread: int = 0
    instead: str = ""
    notes: tuple[str, ...] = ()


@cache
def readers() -> tuple[type[LogReader], ...]:
    """Discover the readers beside this module, in the order in which they are asked."""
    package = importlib.import_module("imbalance_doctor.sources.logs")
    found: list[type[LogReader]] = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.name == "base" or module.name.startswith("_"):
            continue
        member = importlib.import_module(f"{package.__name__}.{module.name}")
        found.append(getattr(member, module.name.title().replace("_", "")))
    return tuple(sorted(found, key=lambda reader: (reader.rank, reader.__name__)))


def read_logs(paths: Sequence[str], options: Options | None = None) -> list[LogReading]:
    """Read every path; a folder is searched for runs.

    Parameters
    ----------
    paths
        Files, folders, patterns such as ``runs/*.log``, or ``-`` for standard input. Compressed files are
        read as what they hold.
    options
        What the user says about them.

    Returns
    -------
    list of LogReading
        One for each file or run folder, those without a training series included where they were named.

    Raises
    ------
    InputError
        A path does not exist or cannot be opened, a file is damaged, or an option names an unknown series.
    """
    from imbalance_doctor.sources.logs._keys import override

    options = options or Options()
    override(options.keys)
    found: list[LogReading] = []
    for name in _expand(paths):
        if name != STDIN and os.path.isdir(name):  # noqa: PTH112  as typed
            found += _read_folder(Path(name), name, options)
        else:
            found.append(_read_file(name, options))
    _check_overrides(options.keys, found)
    return found


def _check_overrides(keys: Mapping[str, str], readings: Sequence[LogReading]) -> None:
    """Refuse a meaning given to a key that no log has."""
    seen = {key for reading in readings for key in (*reading.keys, *reading.ignored)}
    for key in keys:
        if seen and key not in seen:
            raise InputError(
                f"expected a key of the log, but got '{key}'",
                where="--map",
                hint=did_you_mean(key, seen) or f"it has {', '.join(sorted(seen)[:_NAMED])}",
            )


def _expand(paths: Sequence[str]) -> list[str]:
    names: list[str] = []
    for path in paths:
        if "\0" in path:
            raise InputError("expected a path, but got one with a NUL character", where=path)
        if path != STDIN and glob.has_magic(path) and not os.path.lexists(path):
            matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  as typed
            if not matches:
                raise InputError("expected a pattern that matches logs, but it matches none", where=path)
            names += matches
        else:
            names.append(path)
    if not names:
        raise InputError("expected at least one log, but got none")
    return list(dict.fromkeys(names))


def _read_file(name: str, options: Options) -> LogReading:
    """Read one file, which is unpacked first where it is compressed or a pipe."""
    with contextlib.ExitStack() as stack:
        path = Path(name)
        whole = True
        if name == STDIN:
            path, whole = _spooled(stack, cast("io.BufferedIOBase", sys.stdin.buffer), "log", name)
        elif stat.S_ISFIFO(_mode(path, name)):
            path, whole = _spooled(stack, stack.enter_context(_opened(path, name)), path.name, name)
        file = _look(path, name, options.progress)
        unpack = next((open_ for magic, open_ in _COMPRESSED if file.head.startswith(magic)), None)
        if unpack is not None:
            packed = stack.enter_context(_opened(path, name))
            stem = path.stem if path.suffix in {".gz", ".bz2", ".xz"} else path.name
            stream = cast("io.BufferedIOBase", stack.enter_context(unpack(packed)))
            path, whole = _spooled(stack, stream, stem, name)
            file = _look(path, name, options.progress)
        reading = _read(file, options)
        if whole:
            return reading
        cut = "the compressed file is cut short: what comes before the cut was read"
        return replace(reading, notes=(*reading.notes, cut))


def _mode(path: Path, name: str) -> int:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        siblings = []
        with contextlib.suppress(OSError):
            siblings = [p.name for p in path.parent.iterdir()]
        raise InputError(
            "expected a log, but there is none", where=name, hint=did_you_mean(path.name, siblings)
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(error, name) from error
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise InputError("expected a log, but got a device or socket", where=name)
    return mode


def _unreadable(error: BaseException, name: str) -> InputError:
    reason = (getattr(error, "strerror", None) or str(error) or "an unexpected end").lower()
    return InputError(f"expected a readable log, but got: {reason}", where=name)


def _opened(path: Path, name: str) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(error, name) from error


def _spooled(
    stack: contextlib.ExitStack, stream: io.BufferedIOBase, stem: str, name: str
) -> tuple[Path, bool]:
    """Write what a pipe or a compressed file holds to a file; return it, and whether it is all there is.

    What comes before a fault is kept.
    """
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="imbalance-doctor-"))
    path = Path(folder) / (stem or "log")
    size = 0
    with path.open("wb") as whole:
        while True:
            try:
                chunk = stream.read1(_CHUNK)
            except _UNREADABLE as error:
                if not size:
                    raise _unreadable(error, name) from error
                return path, False
            if not chunk:
                return path, True
            size += len(chunk)
            if size > _LARGEST_UNPACKED:
                raise InputError(
                    f"expected a log of at most {_LARGEST_UNPACKED >> 30} GiB, but got more", where=name
                )
            whole.write(chunk)


def _look(path: Path, name: str, progress: Progress | None) -> LogFile:
    """Read the head of a file."""
    with _opened(path, name) as stream:
        try:
            head = stream.read(_HEAD)
            size = os.fstat(stream.fileno()).st_size
        except OSError as error:
            raise _unreadable(error, name) from error
    return LogFile(path=path, name=name, head=head, text=_text(head, size), size=size, progress=progress)


def _text(head: bytes, size: int) -> str:
    """Return the head as text up to its last complete line; empty for what is no text."""
    from imbalance_doctor.sources.logs._decode import encoding_of

    encoding = encoding_of(head)
    wide = encoding.startswith(("utf-16", "utf-32"))
    if not wide and b"\0" in head:
        return ""
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    if wide and sum(c < " " and c not in "\t\r\n\b\x1b" for c in text) > _NOT_UTF8_TEXT * len(text):
        return ""
    if size <= len(head):
        return text
    cut = max(text.rfind("\n"), text.rfind("\r")) + 1
    return text[:cut] or text


def _read(file: LogFile, options: Options) -> LogReading:
    """Let the first reader read that recognises the file; where it fails, the next one has a try."""
    from imbalance_doctor.sources.logs._instead import at_sight, on_reading

    instead = "" if file.is_folder else at_sight(file.head, file.text)
    if instead:
        return LogReading(source=file.name, format="", instead=instead)
    failed: InputError | None = None
    empty: LogReading | None = None
    for reader in readers():
        if not _recognises(reader, file) or (reader.rank >= _TEXT and empty is not None):
            continue
        try:
            reading, thin, crash = _read_with(reader, file, options)
        except InputError as error:
            if options.patterns and error.where.startswith("--"):
                raise
            failed = failed or error
            continue
        if reading.runs:
            return reading
        empty = empty or replace(
            reading, instead=reading.instead or on_reading(file, thin, reading.ignored, crash)
        )
    if failed is not None and file.head.startswith(_PICKLE):
        what = f"a pickle that is no plain history: {failed.problem}"
        return LogReading(source=file.name, format="", instead=what)
    if failed is not None:
        raise failed
    return empty or LogReading(source=file.name, format="", instead=on_reading(file, {}, (), ""))


def _recognises(reader: type[LogReader], file: LogFile) -> bool:
    try:
        return reader.recognises(file)
    except InputError:
        return False


def _read_with(
    reader: type[LogReader], file: LogFile, options: Options
) -> tuple[LogReading, Mapping[str, int], str]:
    from imbalance_doctor.sources.logs._assemble import assemble

    try:
        parsed = reader.read(file, options)
        assembled = assemble(parsed, options, file.name)
    except (MemoryError, RecursionError) as error:
        raise InputError("expected a log that fits in memory, but got more", where=file.name) from error
    except _UNREADABLE as error:
        raise _unreadable(error, file.name) from error
    except UnicodeError as error:
        raise InputError("expected text, but got bytes that are none", where=file.name) from error
    reading = LogReading(
        source=file.name,
        format=parsed.format,
        runs=() if parsed.instead else assembled.runs,
        keys=assembled.keys,
        ignored=assembled.ignored,
        templates=tuple(parsed.templates),
        unread=parsed.unread,
        instead=parsed.instead or assembled.instead,
        notes=(*parsed.notes, *assembled.notes, *_lost(file)),
    )
    return reading, assembled.thin, parsed.crash


def _lost(file: LogFile) -> list[str]:
    """Say that the encoding of a text is not certain; its last character may merely be cut."""
    if "\ufffd" not in file.text[:-1] or "\ufffd".encode() in file.head or file.head.startswith(_PICKLE):
        return []
    return ["its encoding is not certain: what is not ASCII was not read; write logs as UTF-8"]


# ---- folders


def _read_folder(folder: Path, name: str, options: Options) -> list[LogReading]:
    """Read what a folder holds: the container it is, else the containers and logs in it."""
    search = _Search()
    search.enter(folder, name, 0)
    found: list[LogReading] = []
    others: list[LogReading] = []
    problems: list[str] = []
    for file in search.files:
        try:
            reading = _read(file, options) if file.is_folder else _read_file(file.name, options)
        except InputError as error:
            if error.where.startswith("--"):
                raise
            problems.append(str(error))
            continue
        (found if reading.runs else others).append(reading)
    notes = [*problems[:_NAMED]]
    if search.full:
        notes.append(f"{name}: only the first {_MOST_FILES:,} files were looked at")
    found = _distinct(found)
    if found:
        found[0] = replace(found[0], notes=(*found[0].notes, *notes))
        return found
    if len(others) == 1:
        return [replace(others[0], notes=(*others[0].notes, *notes))]
    seen = ", ".join(f"{Path(r.source).name} ({r.instead})" for r in others[:_NAMED])
    what = f"a folder without a training log; looked at {seen}" if seen else "a folder without a log"
    if any(folder.glob("rank-*.stb")):
        what = "a folder of recorded scores: give it as --scores"
    return [LogReading(source=name, format="", instead=what, notes=tuple(notes))]


@dataclass
class _Search:
    """What was found in a folder and the folders in it, to be read one by one."""

    files: list[LogFile] = field(default_factory=list)
    looked: int = 0
    full: bool = False

    def enter(self, folder: Path, name: str, depth: int) -> None:
        """Take the folder as a whole where a reader does; else its files, then its folders."""
        from imbalance_doctor.sources.logs._folders import children

        entries = children(folder)
        files = [e for e in entries if _is(e, folder=False)]
        folders = [e for e in entries if _is(e, folder=True) and e.name not in _SKIPPED and e.name[:1] != "."]
        whole = LogFile(path=folder, name=name)
        if any(_recognises(reader, whole) for reader in readers()) and not self._only_below(files, folders):
            self.files.append(whole)
            return
        for entry in files:
            suffix = Path(entry.name).suffix.lower()
            if suffix in _SUFFIXES or suffix[1:].isdigit() or _MARK in entry.name:
                self.looked += 1
                if self.looked > _MOST_FILES:
                    self.full = True
                    return
                path = Path(entry.path)
                self.files.append(LogFile(path=path, name=os.path.join(name, entry.name)))  # noqa: PTH118
        checkpoints = [e for e in folders if _checkpoint(e.name) >= 0]
        last = max(checkpoints, key=lambda e: _checkpoint(e.name), default=None)
        if any(e.name == "trainer_state.json" for e in files):
            last = None  # those of the checkpoints are its beginning
        for entry in folders:
            if depth < _DEEPEST and not self.full and (entry not in checkpoints or entry is last):
                self.enter(Path(entry.path), os.path.join(name, entry.name), depth + 1)  # noqa: PTH118

    @staticmethod
    def _only_below(files: Sequence[os.DirEntry[str]], folders: Sequence[os.DirEntry[str]]) -> bool:
        """Tell a folder of unlike things: event files lie somewhere below, but other logs beside them."""
        from imbalance_doctor.sources.logs._folders import find_files

        if any(_MARK in e.name or e.name == "meta.yaml" for e in files):
            return False
        kinds = []
        for entry in folders:
            place = Path(entry.path)
            if find_files(place, lambda name: _MARK in name, depth=_DEEPEST, most=1):
                kinds.append(True)
            elif find_files(
                place, lambda name: Path(name).suffix.lower() in _SUFFIXES - {""}, depth=2, most=1
            ):
                kinds.append(False)
        return True in kinds and False in kinds


def _is(entry: os.DirEntry[str], *, folder: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) if folder else entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _checkpoint(name: str) -> int:
    """Return the number of a checkpoint's folder, ``checkpoint-500``; -1 for any other."""
    start, _, number = name.rpartition("-")
    return (
        int(number)
        if start == "checkpoint" and number.isdecimal() and len(number) < _HEAD.bit_length()
        else -1
    )


def _distinct(readings: Sequence[LogReading]) -> list[LogReading]:
    """Leave out what tells the same run as another log beside it: the console of a run that wrote a table."""
    kept: list[LogReading] = []
    order = sorted(
        readings, key=lambda r: (r.format == "text", -sum(len(s) for run in r.runs for s in run.series))
    )
    for reading in order:
        if not any(_beside(reading, other) and _same(reading, other) for other in kept):
            kept.append(reading)
    return [reading for reading in readings if reading in kept]


def _beside(one: LogReading, other: LogReading) -> bool:
    """Tell whether two logs lie in one folder, or one of them in a folder of the other's."""
    a, b = (place if place.is_dir() else place.parent for place in map(Path, (one.source, other.source)))
    return a == b or a in b.parents or b in a.parents


def _same(one: LogReading, other: LogReading) -> bool:
    """Tell whether two logs hold the same curve, as far as it is printed."""
    import numpy as np

    for series in (s for run in one.runs for s in run.series if s.phase):
        for theirs in (s for run in other.runs for s in run.series):
            if (theirs.name, theirs.phase, theirs.part) != (series.name, series.phase, series.part):
                continue
            fewer = min(len(series), len(theirs))
            if fewer < _NAMED or max(len(series), len(theirs)) > fewer + 1:
                continue
            mine, yours = series.values[:fewer], theirs.values[:fewer]
            near = np.isclose(mine, yours, rtol=_AS_PRINTED, equal_nan=True)
            if len(np.unique(mine)) >= _NAMED and float(near.mean()) >= _SAME_VALUES:
                return True
    return False
