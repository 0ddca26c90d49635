"""One JSON document, or the text of a Python value, that holds a history."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs._decode import head_text, whole_text
from imbalance_doctor.sources.logs._document import has_history, instead_of_history, records_of, whole_rows
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_LARGEST = 2**26
_LARGEST_LITERAL = 2**24
_START = re.compile(r"\s*(?:\w+\s*=\s*)?(?:[\w.]*[dD]ict\((?:<[^>]*>\s*,\s*)?)?[\[{(]")
_QUOTED = re.compile(r"""\s*[\[{]+\s*(?:["']|-?[\d.]|nan|NaN|\]|\}|\[|\{|(?:np|numpy)\.)""")
_LOG_WORD = re.compile(
    r"loss|acc|auc|dice|iou|f1|recall|precision|epoch|metric|err|score|map|history|[ft]pr|roc|learning.?rate|\blr\b",
    re.IGNORECASE,
)
_ROWS = re.compile(r"\[\s*(?=\{)")

# Text of a Python value: quoted strings stay, bare nan and inf become strings, wrappers around numbers go.
_LITERAL = re.compile(
    r"""(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
    r"""|(?P<odd>(?<![\w.])-?(?:nan|NaN|inf|Infinity|NaT)(?![\w.]))"""
    r"""|(?P<extra>,\s*(?:dtype|device|grad_fn|requires_grad)\s*=\s*(?:'[^']*'|<[^>]*>|[\w.]+))"""
    r"""|(?P<class><class\s'[\w.]+'>\s*,)"""
    r"""|(?P<null>(?<![\w.])(?:null|true|false)(?!\w))"""
    r"""|(?P<wrap>(?<![\w.])(?:array|tensor|list|dict|OrderedDict|defaultdict|(?:np|numpy|torch|jnp|collections)\.\w+)\()"""
)
_NULLS = {"null": "None", "true": "True", "false": "False"}


class JsonDocument(LogReader):
    """A history in one value."""

    title = "a JSON document"
    rank = 60

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by a value that begins the file, and by words of training within its first 64 KiB."""
        if file.is_folder:
            return False
        text = head_text(file)
        begin = _START.match(text)
        if begin is None or _LOG_WORD.search(f"{text} {file.name}") is None:
            return False
        if file.size <= len(file.head):
            value = _value(text)
            return value is not None and (has_history(value) or instead_of_history(value) != "")
        return _QUOTED.match(text, begin.end() - 1) is not None

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004  part of the interface
        """Read the whole document.

        Raises
        ------
        InputError
            It is neither JSON nor a Python value, or too large to be read at once.
        """
        text = whole_text(file, _LARGEST, "a JSON document")
        parsed = Parsed(format="JSON document", records=())
        value = _value(text)
        if value is None:
            line = _error_line(text)
            raise InputError("expected a JSON document, but got a syntax error", where=file.name, line=line)
        if isinstance(value, list) and value and not _is_whole(text):
            parsed.notes.append("the document is cut short or several: its whole objects are read")
        if isinstance(value, dict) and "iterations" in value and "meta" in value:
            parsed.format = "CatBoost training JSON"
        if not has_history(value) and (other := instead_of_history(value)):
            parsed.instead = f"a JSON document: {other}"
        else:
            parsed.records = _records(value, file, parsed)
        return parsed


def _records(value: Any, file: LogFile, parsed: Parsed) -> Iterator[Record]:
    yield from records_of(value, parsed, stem=Path(file.name).stem, where=file.name)


def _is_whole(text: str) -> bool:
    return text.rstrip().endswith(("]", "}", ")")) and not text.lstrip().startswith("{")


def _value(text: str) -> Any:
    """Return the value that a text describes; None when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if text.lstrip().startswith("{") and (rows := whole_rows(text, 0)):
        return rows if len(rows) > 1 else rows[0]
    literal = _literal(text)
    if literal is not None:
        return literal
    begin = _ROWS.search(text)
    return (whole_rows(text, begin.end()) or None) if begin is not None else None


def _literal(text: str) -> Any:
    """Return the value that a text describes as Python would print it; nothing is evaluated."""
    import ast
    import warnings

    if len(text) > _LARGEST_LITERAL:
        return None
    begin = _START.match(text)
    if begin is None:
        return None
    plain = _LITERAL.sub(_plain, re.sub(r"^\s*\w+\s*=\s*", "", text)).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the escapes in somebody's strings
            value = ast.literal_eval(plain)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
    return value if isinstance(value, (dict, list, tuple)) else None


def _plain(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "text":
            return found[0]
        case "odd":
            return f"'{found[0].lower()}'"
        case "null":
            return _NULLS[found[0]]
        case "wrap":
            return "("
        case _:
            return ""


def _error_line(text: str) -> int | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):
        return None
    return None
