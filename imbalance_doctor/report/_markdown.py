"""Markdown from untrusted words: what comes out reads as the words, whatever they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from imbalance_doctor.report._format import clean, clean_lines

# Everything that starts emphasis, code, links, HTML, tables, strikethrough, maths, mentions or entities.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|&~#$@])")
_SCHEME = re.compile(r"(?<=[A-Za-z])://")
_WWW = re.compile(r"(?i)\bwww\.")
# What starts a list, a heading or a rule at the beginning of a line.
_LEADING = re.compile(r"^([-+=](?=[-=\s]|$)|\d{1,9}(?=[.)](?:\s|$)))")


def escape(text: object) -> str:
    r"""Return text as one line that shows exactly its words.

    >>> escape("a|b *c*")
    'a\\|b \\*c\\*'
    """
    line = _SPECIAL.sub(r"\\\1", clean(text))
    line = _WWW.sub(lambda found: found[0][:-1] + r"\.", _SCHEME.sub(r"\://", line))
    led = _LEADING.match(line)
    if led is None:
        return line
    head, tail = led[1], line[led.end() :]
    return f"{head}\\{tail}" if head.isdigit() else f"\\{head}{tail}"


def code(text: object) -> str:
    """Return text as inline code, or as escaped words where code cannot hold it inside a table."""
    line = clean(text)
    return escape(line) if not line or re.search(r"[`|\\]", line) else f"`{line}`"


def fence(text: str, language: str = "") -> str:
    """Return a block of code whose fence is longer than any run of backticks inside."""
    body = clean_lines(text)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{body}\n{marks}"


def bullets(items: Iterable[str]) -> str:
    """Return a list of items that are already escaped."""
    return "\n".join(f"- {item}" for item in items)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are already escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
