"""What all label readers have in common: finding the files, choosing a reader, adding the files up.

A reader is one module with one class of the same name: ``torch_file.py`` holds ``TorchFile``. A known
suffix chooses it and the content must then be what the suffix says; without one, the content chooses.
Every reader returns the labels of its file alone; what only all files together can show (a single
class, the positive class) is settled at the end.
"""

from __future__ import annotations

import codecs
import contextlib
import glob
import importlib
import io
import os
import pkgutil
import stat
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, ClassVar, TypeVar, cast

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._values import KINDS, Options, merge, settle

__all__ = [
    "Format",
    "LabelFile",
    "Options",
    "Reader",
    "choose_reader",
    "discover",
    "expand",
    "is_textual",
    "look",
    "merge",
    "read_labels",
    "readers",
    "reading",
    "refuse_twice",
]

STDIN = "-"
_HEAD = 4096
_NAMED_FILES = 3

# What a file is that no reader can use, by its first bytes.
_UNUSABLE = (
    (b"version https://git-lfs", "a git-lfs pointer, not the file itself", "run `git lfs pull`"),
    (b"\x1f\x8b", "gzip-compressed data", "decompress it first"),
    (b"BZh", "bzip2-compressed data", "decompress it first"),
    (b"\xfd7zXZ\x00", "xz-compressed data", "decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstandard-compressed data", "decompress it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "save the {}s as .npy"),
    (b"MATLAB 5.0", "a MATLAB file", "save the {}s as .npy"),
    (b"ARROW1", "an Arrow file", "save the {}s as .parquet"),
    (b"\x80", "a pickle, which is never read", "save the {}s as .npy"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
)


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """One label file, not yet opened.

    Attributes
    ----------
    name
        The path, or ``-``; how errors call it.
    head
        Its first bytes, at most 4096.
    size
        In bytes; None for a pipe.
    """

    name: str
    head: bytes
    size: int | None
    pipe: BinaryIO | None = None

    @property
    def suffix(self) -> str:
        """Lower case, with the dot; empty for a pipe."""
        return os.path.splitext(self.name)[1].lower() if self.pipe is None else ""  # noqa: PTH122  as typed

    def open(self) -> BinaryIO:
        """Open it for reading from the beginning. A pipe can be opened once."""
        if self.pipe is not None:
            return self.pipe
        return open(self.name, "rb")  # noqa: PTH123  the caller closes it

    def need_path(self, what: str) -> str:
        """Return the path, for formats that cannot be read from a pipe."""
        if self.pipe is not None:
            raise InputError(f"expected {what} as a file, but got a pipe", where=self.name)
        return self.name


class Format(ABC):
    """One file format.

    Attributes
    ----------
    title
        What the format is called in messages, with its article.
    suffixes
        Lower case, with the dot.
    rank
        Order in which readers look at the content of a file without a known suffix; text comes last.
    made
        How such a file begins and what writes one: the hint where a file is something else.
    """

    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    rank: ClassVar[int] = 0
    made: ClassVar[str] = ""

    @staticmethod
    @abstractmethod
    def recognises(head: bytes) -> bool:
        """Tell whether a file that begins with `head` is of this format."""


_F = TypeVar("_F", bound=Format)


class Reader(Format):
    """Reads the labels of one file format.

    Attributes
    ----------
    takes
        Which of the options ``column`` and ``key`` it heeds.
    """

    takes: ClassVar[frozenset[str]] = frozenset()

    @staticmethod
    @abstractmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the labels of one file.

        Raises
        ------
        InputError
            The file is not what it should be.
        """


@cache
def readers() -> Mapping[str, type[Reader]]:
    """Discover the readers beside this module, in the order in which they look at content."""
    return MappingProxyType(discover("imbalance_doctor.sources.labels"))


def discover(package_name: str) -> dict[str, Any]:
    """Return the format of every module of a package by the module's name, in the order of their ranks."""
    package = importlib.import_module(package_name)
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name == "base" or module.name.startswith("_"):
            continue
        member = importlib.import_module(f"{package_name}.{module.name}")
        found[module.name] = getattr(member, module.name.title().replace("_", ""))
    return dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))


def read_labels(
    paths: Sequence[str],
    *,
    column: str | None = None,
    key: str | None = None,
    ignore_index: int | None = None,
    positive: str | None = None,
    kind: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LabelCounts:
    """Count the labels of one or several files, which add up as shards.

    Parameters
    ----------
    paths
        Files, patterns such as ``shards/*.npy``, or ``-`` for standard input.
    column
        Column of a table: its name, or its number from 0 where there is no header. With `kind`
        ``indicator``, several names separated by commas; without it, all columns.
    key
        Array of an ``.npz``, ``.pt`` or ``.safetensors`` file.
    ignore_index
        Label value to leave out; -100 when not given.
    positive
        Positive class of a binary problem. Not given: 1 of {0, 1} or {-1, 1}, True, else the rarer one.
    kind
        ``classes`` (one class per row; a matrix is one-hot), ``indicator`` (multi-label) or ``sequence``
        ([N, T] class ids). Not given: a matrix of 0 and 1 is an indicator, any other a sequence.
    progress
        Called with the bytes counted so far and in all (0 when unknown), by one thread at a time.

    Raises
    ------
    InputError
        A file cannot be read, its content cannot be labels, or only one class is found.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(
            f"expected the kind {', '.join(KINDS[:-1])} or {KINDS[-1]}, but got '{kind}'",
            where="--label-kind",
            hint=did_you_mean(kind, KINDS),
        )
    names = expand(paths, "label")
    files = [look(name, "label") for name in names]
    refuse_twice(names)
    chosen = [choose_reader(file, readers(), "label") for file in files]
    for option, value in (("column", column), ("key", key)):
        if value is not None and not any(option in reader.takes for reader in chosen):
            able = ", ".join(sorted(s for r in readers().values() if option in r.takes for s in r.suffixes))
            raise InputError(
                f"expected a file that has a {option} '{value}' ({able}), but got {chosen[0].title}",
                where=names[0],
            )
    total = sum(file.size or 0 for file in files)
    done = 0

    def tick(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress is not None:
            progress(min(done, total) if total else done, total)

    options = Options(column=column, key=key, ignore_index=ignore_index, kind=kind, tick=tick)
    merged: LabelCounts | None = None
    for file, reader in zip(files, chosen, strict=True):
        with reading(file.name):
            labels = replace(reader.read(file, options), source=file.name)
        merged = labels if merged is None else replace(merge(merged, labels), source=names[0])
    assert merged is not None  # noqa: S101  expand returns at least one name
    source = ", ".join(names)
    if len(names) > _NAMED_FILES:
        source = f"{names[0]} ... {names[-1]} ({len(names)} files)"
    return settle(replace(merged, source=source), positive)


def is_textual(head: bytes) -> bool:
    """Tell whether a file that begins with `head` can be text, of whatever encoding."""
    return b"\0" not in head


def _is_plain(head: bytes) -> bool:
    """Tell whether a file begins with UTF-8 text, whose last character may be cut, and with nothing else."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what the standard library and numpy raise on unreadable files into one `InputError`."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError("expected a file that fits in memory", where=where) from error
    except RecursionError as error:
        raise InputError("expected plain labels, but got deeply nested data", where=where) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected UTF-8 text, but got the byte 0x{error.object[error.start]:02x}", where=where
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or "end of file"
        raise InputError(f"expected a readable file, but got: {reason}", where=where) from error


def expand(paths: Sequence[str], noun: str) -> list[str]:
    """Return the files that paths and patterns stand for; `noun` is what the files hold, for errors.

    Raises
    ------
    InputError
        A pattern matches nothing, or there is no path at all.
    """
    names: list[str] = []
    for path in paths:
        if path != STDIN and glob.has_magic(path) and not os.path.lexists(path):
            matches = sorted(match for match in glob.glob(path, recursive=True) if not os.path.isdir(match))  # noqa: PTH112, PTH207  as typed
            if not matches:
                raise InputError(
                    f"expected a pattern that matches {noun} files, but it matches none", where=path
                )
            names.extend(matches)
        else:
            names.append(path)
    if not names:
        raise InputError(f"expected at least one {noun} file, but got none")
    return names


def refuse_twice(names: Sequence[str]) -> None:
    """Refuse a file that is given twice, under whatever names."""
    seen: set[str] = set()
    for name in names:
        real = name if name == STDIN else os.path.realpath(name)
        if real in seen:
            raise InputError("expected every file once, but got this one twice", where=name)
        seen.add(real)


def look(name: str, noun: str) -> LabelFile:
    """Read the first bytes of a file that exists and is a file.

    Raises
    ------
    InputError
        There is none, it cannot be read, or it is a folder or device.
    """
    if name == STDIN:
        return _piped(name, sys.stdin.buffer)
    try:
        mode = os.stat(name).st_mode  # noqa: PTH116  as typed
        if stat.S_ISDIR(mode):
            hint = f"give '{name.rstrip(os.sep)}/*.npy' for all files in it"
            raise InputError(f"expected a {noun} file, but got a directory", where=name, hint=hint)
        if stat.S_ISFIFO(mode):
            return _piped(name, open(name, "rb"))  # noqa: PTH123  read to its end later
        if not stat.S_ISREG(mode):
            raise InputError(f"expected a {noun} file, but got a device or socket", where=name)
        with open(name, "rb") as opened:  # noqa: PTH123  as typed
            head = opened.read(_HEAD)
            size = os.fstat(opened.fileno()).st_size
    except FileNotFoundError as error:
        parent = Path(name).parent
        siblings = [p.name for p in parent.iterdir() if p.exists()] if parent.is_dir() else []
        raise InputError(
            f"expected a {noun} file, but there is none",
            where=name,
            hint=did_you_mean(Path(name).name, siblings),
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"expected a readable {noun} file, but got: {reason}", where=name) from error
    return LabelFile(name=name, head=head, size=size)


def _piped(name: str, pipe: BinaryIO) -> LabelFile:
    with reading(name):
        head = pipe.read(_HEAD)
    whole = cast("BinaryIO", io.BufferedReader(_Replay(head, pipe), 2**18))
    return LabelFile(name=name, head=head, size=None, pipe=whole)


class _Replay(io.RawIOBase):
    """A pipe whose first bytes have been read already."""

    def __init__(self, head: bytes, pipe: BinaryIO) -> None:
        self._head, self._pipe = head, pipe

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if self._pipe is not sys.stdin.buffer:
            self._pipe.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._pipe.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def choose_reader(file: LabelFile, known: Mapping[str, type[_F]], noun: str) -> type[_F]:
    """Choose a reader by the suffix of the file, which its content must bear out, or by its content.

    Raises
    ------
    InputError
        The content is of no known format, or of another than the suffix says.
    """
    if not file.head:
        raise InputError(f"expected {noun}s, but the file is empty", where=file.name)
    recognised = next((r for r in known.values() if r.recognises(file.head)), None)
    by_suffix = next((r for r in known.values() if file.suffix in r.suffixes), None)
    textual = recognised is None or recognised.rank > 0
    for magic, title, hint in _UNUSABLE:
        if textual and file.head.startswith(magic):
            expected = by_suffix.title if by_suffix is not None else f"a {noun} file"
            raise InputError(f"expected {expected}, but got {title}", where=file.name, hint=hint.format(noun))
    if by_suffix is not None and (
        by_suffix.recognises(file.head) or (by_suffix.rank > 0 and recognised is not None and textual)
    ):
        return by_suffix
    if by_suffix is not None:
        if recognised is None or (textual and not _is_plain(file.head)):
            got, hint = "other binary data", by_suffix.made
        else:
            got, hint = recognised.title, f"rename it to {recognised.suffixes[0]}"
        raise InputError(f"expected {by_suffix.title}, but got {got}", where=file.name, hint=hint)
    if recognised is None:
        suffixes = " ".join(sorted(s for r in known.values() for s in r.suffixes))
        raise InputError(
            f"expected {noun}s in a known format, but got unknown binary data",
            where=file.name,
            hint=f"known: {suffixes}",
        )
    return recognised
