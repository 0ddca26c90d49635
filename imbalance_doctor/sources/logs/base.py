"""What all log readers have in common: finding the files, choosing a reader by content, making runs.

A reader is one module with one class of the same name: ``trainer_state.py`` holds ``TrainerState``. It turns
a file (or a folder) into `Record` objects, one for each place where the log states numbers together, under
the log's own keys. What the keys mean, where one run ends and the next begins, which rows repeat each other
and what belongs to validation is settled here for all formats alike (`_keys`, `_assemble`).

The extension is never trusted: content chooses the reader.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from imbalance_doctor.evidence import Phase, TrainingLog

__all__ = ["LogFile", "LogReader", "LogReading", "Options", "Parsed", "Record", "Template", "read_logs"]


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
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()


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
    """

    path: Path | None
    name: str
    head: bytes = b""
    text: str = ""
    size: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path is not None and self.path.is_dir()


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


def read_logs(paths: Sequence[str], options: Options | None = None) -> list[LogReading]:
    """Read every path; a folder is searched for runs.

    Raises
    ------
    InputError
        A path does not exist or cannot be opened, or an option names an unknown series.
    """
    raise NotImplementedError
