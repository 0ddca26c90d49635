"""Bytes to text: what the table and JSON readers share."""

from __future__ import annotations

import codecs
import io
import itertools
import re
from collections.abc import Iterator
from functools import partial

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import LogFile

__all__ = [
    "CUT",
    "FULL",
    "LONGEST_LINE",
    "Lines",
    "cut_short",
    "encoding_of",
    "head_text",
    "lines_after",
    "numbered_lines",
    "older_encoding",
    "whole_bytes",
    "whole_text",
]

LONGEST_LINE = 2**22
"""Characters of a line that are read; of a longer one nothing is."""

FULL = 20_000
"""Lines of one shape of which all are read."""

CUT = "the last line is cut short: its last number was left out"
"""The note on a log that `cut_short` was true of."""

_MIB = 2**20
_DIGITS = b"0123456789.+-eE"
_LONGEST_SHAPE = 4_096
_MOST_SHAPES = 2_000
_BY_BYTES = frozenset(("utf-8", "utf-8-sig", "gb18030", "cp932", "euc_jp"))
_LONE_RETURN = re.compile(rb"\r(?![\r\n])(?!\Z)")
_MOSTLY_NUL = 0.3
_MOSTLY_USUAL = 0.8
_GB2312_USUAL = frozenset((*range(0xA1, 0xA4), *range(0xB0, 0xD8)))  # punctuation; the first level of hanzi
_BARS = frozenset(map(chr, range(0x2500, 0x25A0)))
_KANA = frozenset(map(chr, range(0x3041, 0x30FD)))
_JIS_USUAL = frozenset((0x81, *range(0x88, 0x98)))  # the same of Shift-JIS
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
    return "utf-8" if _decoded(head, "utf-8") is not None else older_encoding(head) or "utf-8"


def older_encoding(data: bytes) -> str:
    """Tell the encoding of Chinese or Japanese text that is no Unicode; empty where that is not certain.

    Nearly any bytes can be read as either, but only in the right one they become characters in daily use.

    >>> older_encoding("検証の損失は".encode("cp932")), older_encoding("验证损失".encode("gb18030"))
    ('cp932', 'gb18030')
    >>> older_encoding("Präzision".encode("latin-1"))
    ''
    """
    usual = {encoding: _usual(data, encoding) for encoding in ("gb18030", "cp932", "euc_jp")}
    best = max(usual, key=usual.__getitem__)
    return best if usual[best] >= _MOSTLY_USUAL else ""


def _usual(data: bytes, encoding: str) -> float:
    """Return the share of characters beyond ASCII that are in daily use in the language of an encoding."""
    text = [c for c in _decoded(data, encoding) or "" if c > "\x7f"]
    if encoding == "gb18030":
        usual = sum(_lead(c, "gb2312") in _GB2312_USUAL or c in _BARS for c in text)
    elif encoding == "euc_jp" and not any(c in _KANA for c in text):
        usual = 0  # it has its kanji where GB 2312 has hanzi
    else:
        usual = sum(_lead(c, "shift_jis") in _JIS_USUAL or c in _KANA for c in text)
    return usual / max(len(text), 1)


def _lead(character: str, encoding: str) -> int:
    """Return the first byte of a character; 0 where the encoding does not have it."""
    return (character.encode(encoding, errors="ignore") or b"\0")[0]


def _decoded(data: bytes, encoding: str) -> str | None:
    """Return text whose last character may be cut; None for what is none."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return None


def head_text(file: LogFile) -> str:
    """Return the head of a file as text, its last line included even where it is cut."""
    if file.is_folder or not file.head:
        return file.text
    return file.head.decode(encoding_of(file.head), errors="replace").removeprefix("\ufeff")


def lines_after(file: LogFile, skipped: int) -> Iterator[str]:
    r"""Yield the lines after the first ones; the end of a line may be ``\n``, ``\r\n`` or ``\r``.

    A line longer than `LONGEST_LINE` comes empty.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    with file.open() as stream:
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


class Lines:
    """The lines of a log; of very many that differ only in their digits, a share.

    After `FULL` lines of one shape every second is kept, then every fourth, and so on: no curve needs more
    points. What is rare is kept whole: other columns, words, NaN. The last line is always kept.

    Parameters
    ----------
    file
        The log.
    separator
        Of the cells of a table: lines that leave other cells empty are of another shape.

    Attributes
    ----------
    number
        Of the line yielded last, from 1.
    skipped
        Lines left out so far.
    ended
        Whether the line yielded last has its end: a writer that was stopped leaves a last one without.
    """

    def __init__(self, file: LogFile, separator: str = "") -> None:
        self._separator = separator.encode()
        self.number = 0
        self.skipped = 0
        self.ended = True
        self._file = file
        self._encoding = encoding_of(file.head)
        self._seen: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[str]:
        by_bytes = self._encoding in _BY_BYTES and not _LONE_RETURN.search(self._file.head)
        for line in self._some() if by_bytes else self._all():
            self.ended = line.endswith("\n")
            yield line

    def _all(self) -> Iterator[str]:
        for line in lines_after(self._file, 0):
            self.number += 1
            yield line

    def _some(self) -> Iterator[str]:
        encoding = self._encoding.removesuffix("-sig")
        seen = self._seen
        separator = self._separator
        twice = separator * 2
        number = 0
        last = b""
        with self._file.open() as stream:
            read = partial(stream.readline, LONGEST_LINE)
            try:
                for line in iter(read, b""):
                    number += 1
                    shape = line.translate(None, _DIGITS)
                    if separator and (twice in line or line.rstrip().endswith(separator)):
                        shape += bytes(map(bool, line.rstrip().split(separator)))
                    count = seen.get(shape, 0)
                    if count >= FULL and count % (2 << (count // FULL).bit_length() - 1):
                        seen[shape] = count + 1
                        last = line
                        continue
                    if count or (len(shape) < _LONGEST_SHAPE and len(seen) < _MOST_SHAPES):
                        seen[shape] = count + 1
                    self.skipped += number - self.number - 1
                    self.number = number
                    last = b""
                    if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                        while (rest := read()) and not rest.endswith(b"\n"):
                            pass
                        yield "\n"
                    else:
                        text = line.decode(encoding, errors="replace")
                        yield text.removeprefix("\ufeff") if number == 1 else text
            except OSError as error:
                raise _unreadable(self._file, error) from error
        if last:
            self.skipped += number - self.number - 1
            self.number = number
            yield last.decode(encoding, errors="replace")


def cut_short(last: str, before: str) -> bool:
    """Tell whether the number that ends a log was cut, by how the one before it in its place is written.

    >>> cut_short("0.3", "0.345"), cut_short("9.871", "10.325"), cut_short("1.5", "1.5e-05")
    (True, False, True)
    """
    mine, theirs = (text.strip().lower().partition("e") for text in (last, before))
    decimals = len(mine[0].partition(".")[2]) < len(theirs[0].partition(".")[2])
    return decimals or len(mine[2]) < len(theirs[2])


def whole_bytes(file: LogFile, limit: int, what: str) -> bytes:
    """Return the content of a file that has to be read at once.

    Raises
    ------
    InputError
        It cannot be read, or is larger than `limit` bytes.
    """
    with file.open() as stream:
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
