"""Jupyter notebooks: what their cells printed, and the tables that trainers draw in them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs._decode import head_text, whole_text
from imbalance_doctor.sources.logs._rows import Rows, is_log_header
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record, Template
from imbalance_doctor.sources.logs.text import TextFollower

_LARGEST = 2**27
_START = re.compile(r'\s*\{\s*"(?:cells|nbformat|nbformat_minor|metadata|worksheets)"\s*:')
_MARK = re.compile(r'"(?:cell_type|nbformat|kernelspec)"\s*:')
_ROW = re.compile(r"<tr\b[^>]*>(.*?)</tr>", re.DOTALL | re.IGNORECASE)
_CELL = re.compile(r"<t[hd]\b[^>]*>(.*?)(?=</t[hd]>|<t[hd]\b|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_LONGEST_TABLE = 2**22


class Notebook(LogReader):
    """A notebook whose outputs were saved with it; every cell is a run of its own."""

    title = "a Jupyter notebook"
    rank = 50

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the keys of the notebook format."""
        if file.is_folder or b"{" not in file.head[:64]:
            return False
        text = head_text(file)
        return _START.match(text) is not None and _MARK.search(text) is not None

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:
        """Read the outputs of all cells.

        Raises
        ------
        InputError
            It is no whole JSON document, or too large to be read at once.
        """
        text = whole_text(file, _LARGEST, "a notebook")
        try:
            notebook = json.loads(text)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            raise InputError(
                "expected a notebook, but got a syntax error", where=file.name, line=line
            ) from error
        cells = notebook.get("cells") if isinstance(notebook, dict) else None
        if not isinstance(cells, list):
            raise InputError("expected a notebook, but it has no list of cells", where=file.name)
        parsed = Parsed(format="Jupyter notebook", records=())
        parsed.records = _records(cells, options, parsed)
        return parsed


def _records(cells: Sequence[Any], options: Options, parsed: Parsed) -> Iterator[Record]:
    templates: list[Template] = []
    for number, cell in enumerate(cells, start=1):
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        if not isinstance(outputs, list):
            continue
        follower, rows = TextFollower(options), Rows(parsed)
        found = False
        for output in outputs:
            if not isinstance(output, dict):
                continue
            for record in [*_printed(output, follower), *_drawn(output, rows)]:
                found = True
                yield _of_cell(record, number)
        for record in follower.close():
            found = True
            yield _of_cell(record, number)
        templates += follower.templates()
        if rows.count:
            keys = tuple(rows.keys)
            templates.append(Template(sample=", ".join(keys), count=rows.count, keys=keys))
        if found:
            parsed.hints.update(follower.hints)
            parsed.crash = _error(outputs) or follower.crash
            parsed.unread += follower.unread
    parsed.templates = templates


def _of_cell(record: Record, number: int) -> Record:
    cell = f"cell {number}"
    return replace(record, line=0, group=f"{cell}, {record.group}" if record.group else cell)


def _joined(text: Any) -> str:
    """Return text that a notebook keeps whole or in lines."""
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""


def _printed(output: Mapping[str, Any], follower: TextFollower) -> list[Record]:
    text = _joined(output.get("text"))
    data = output.get("data")
    if isinstance(data, dict) and "text/html" not in data:
        text += _joined(data.get("text/plain")) + "\n"
    return follower.feed(text.encode("utf-8", errors="replace")) if text.strip() else []


def _drawn(output: Mapping[str, Any], rows: Rows) -> list[Record]:
    """Return the rows of a table drawn in HTML, if it can follow a run."""
    data = output.get("data")
    page = _joined(data.get("text/html")) if isinstance(data, dict) else ""
    if "<t" not in page or len(page) > _LONGEST_TABLE:
        return []
    table = [
        [html.unescape(_TAG.sub("", cell)).strip() for cell in _CELL.findall(row)]
        for row in _ROW.findall(page)
    ]
    table = [cells for cells in table if cells]
    if not table or not is_log_header([name for name in table[0] if name]):
        return []
    header = table[0]
    records = (
        rows.record(dict(zip(header, cells, strict=True))) for cells in table[1:] if len(cells) == len(header)
    )
    return [record for record in records if record is not None]


def _error(outputs: Sequence[Any]) -> str:
    for output in outputs:
        if isinstance(output, dict) and output.get("output_type") == "error":
            return f"{output.get('ename', 'an error')}: {output.get('evalue', '')}"[:200].rstrip(": ")
    return ""
