"""Bytes to text: what the table and JSON readers share."""

from __future__ import annotations

import codecs
import io
import itertools
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import LogFile

__all__ = ["LONGEST_LINE", "encoding_of", "head_text", "lines_after", "numbered_lines", "open_log", "whole_bytes", "whole_text"]

LONGEST_LINE = 2**22
"""Characters of a line that are read; of a longer one nothing is."""

_MIB = 2**20
_MOSTLY_NUL = 0.3
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(head: bytes) -> str:
    """Tell the encoding of a text from its first bytes.

    >>> encoding_of("epoch,loss".encode("utf-16-le"))
    'utf-16-le'
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    half = max(len(head) // 2, 1)
    if head[1::2].count(0) / half > _MOSTLY_NUL:
        return "utf-16-le"
    if head[::2].count(0) / half > _MOSTLY_NUL:
        return "utf-16-be"
    for encoding in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        return encoding
    return "utf-8"


def head_text(file: LogFile) -> str:
    """Return the head of a file as text, its last line included even where it is cut."""
    if file.is_folder or not file.head:
        return file.text
    return file.head.decode(encoding_of(file.head), errors="replace").removeprefix("\ufeff")


def open_log(file: LogFile) -> BinaryIO:
    """Open a log for reading from its beginning.

    Raises
    ------
    InputError
        It cannot be opened.
    """
    if file.path is None:
        return io.BytesIO(file.head)
    try:
        return file.path.open("rb")
    except OSError as error:
        raise _unreadable(file, error) from error


def lines_after(file: LogFile, skipped: int) -> Iterator[str]:
    r"""Yield the lines after the first ones; the end of a line may be ``\n``, ``\r\n`` or ``\r``.

    A line longer than `LONGEST_LINE` comes empty.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    with open_log(file) as stream:
        text = io.TextIOWrapper(stream, encoding_of(file.head), errors="replace")
        read = partial(text.readline, LONGEST_LINE)
        try:
            for line in itertools.islice(iter(read, ""), skipped, None):
                if len(line) == LONGEST_LINE and not line.endswith("\n"):
                    while (rest := read()) and not rest.endswith("\n"):
                        pass
                    yield "\n"
                else:
                    yield line
        except (OSError, UnicodeError) as error:
            raise _unreadable(file, error) from error


def numbered_lines(file: LogFile) -> Iterator[tuple[int, str]]:
    """Yield every line with its number from 1, as `lines_after` does."""
    return enumerate(lines_after(file, 0), start=1)


def whole_bytes(file: LogFile, limit: int, what: str) -> bytes:
    """Return the content of a file that has to be read at once.

    Raises
    ------
    InputError
        It cannot be read, or is larger than `limit` bytes.
    """
    with open_log(file) as stream:
        try:
            data = stream.read(limit + 1)
        except OSError as error:
            raise _unreadable(file, error) from error
    if len(data) > limit:
        raise InputError(
            f"expected {what} of at most {limit // _MIB} MiB, but got more",
            where=file.name,
            hint="write the log as JSON lines or CSV, which are read row by row",
        )
    return data


def whole_text(file: LogFile, limit: int, what: str) -> str:
    """Return a file of at most `limit` bytes as text.

    Raises
    ------
    InputError
        It cannot be read, or is larger than `limit` bytes.
    """
    data = whole_bytes(file, limit, what)
    return data.decode(encoding_of(data[: 2**16]), errors="replace").removeprefix("\ufeff")


def _unreadable(file: LogFile, error: Exception) -> InputError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return InputError(f"expected a readable log, but got: {reason}", where=file.name)
