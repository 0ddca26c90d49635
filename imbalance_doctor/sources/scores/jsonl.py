"""``.jsonl``: one object per row, such as ``{"logits": [0.3, -1.2, 0.1], "target": 2, "step": 40}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels._json import load_json
from imbalance_doctor.sources.labels._lines import decoded_lines
from imbalance_doctor.sources.labels._values import Options as LabelOptions
from imbalance_doctor.sources.labels.base import LabelFile, is_textual
from imbalance_doctor.sources.scores._names import assign
from imbalance_doctor.sources.scores._parts import COLUMNS, MOST_CLASSES, Options, Piece, Source
from imbalance_doctor.sources.scores._rows import Number, Row, pieces
from imbalance_doctor.sources.scores.base import Reader

_LONGEST = 40


class Jsonl(Reader):
    """Objects of equal keys, one a line; a list holds one number per class."""

    title = "JSON lines (.jsonl)"
    suffixes = (".jsonl", ".ndjson")
    rank = 1

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the brace that begins the first line."""
        return is_textual(head) and head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Find the keys by the first object."""
        path = file.need_path(Jsonl.title)
        found = next(_objects(file), None)
        if found is None:
            raise InputError("expected an object per line, but got only empty lines", where=path)
        line, first = found
        roles = assign(list(first), options, path, "key")
        lengths = {name: _length(first[name]) for name in roles.all}
        width, target_width = (
            sum(1 if (length := lengths[name]) is None else length for name in names)
            for names in (roles.scores, roles.targets)
        )
        if not 0 < width <= MOST_CLASSES or not target_width:
            raise InputError(
                f"expected 1 to {MOST_CLASSES:,} scores, but got {width:,}", where=path, line=line
            )

        def read(most: int) -> Iterator[Piece]:
            rows = (_parse(line, found, lengths, path) for line, found in _objects(file))
            yield from pieces(rows, roles, width, target_width, path, most)

        return Source(
            where=path,
            width=width,
            target_width=target_width,
            columns=frozenset(roles.columns) & frozenset(COLUMNS),
            pieces=read,
            scale=roles.scale,
        )


def _objects(file: LabelFile) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects with their lines; empty lines are passed over."""
    for line, text in enumerate(decoded_lines(file, LabelOptions()), 1):
        if not text.strip():
            continue
        found = load_json(text.rstrip(), file.name, finite=False, line=line)
        if not isinstance(found, dict):
            raise InputError(
                f"expected an object, but got {text.strip()[:_LONGEST]}", where=file.name, line=line
            )
        yield line, found


def _length(value: Any) -> int | None:
    """Return the length of a list; None for a single value."""
    return len(value) if isinstance(value, list) else None


def _parse(line: int, found: Mapping[str, Any], lengths: Mapping[str, int | None], path: str) -> Row:
    numbers: list[Number] = []
    for name, length in lengths.items():
        value = found.get(name)
        if _length(value) != length:
            expected = f"{length} numbers" if length is not None else "one number"
            raise InputError(
                f"expected {expected} as '{name}', but got {_short(value)}",
                where=path,
                line=line,
                hint="" if name in found else "every line needs the keys of the first",
            )
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, (int, float)):
                raise InputError(
                    f"expected a number in '{name}', but got {_short(number)}", where=path, line=line
                )
            # a bool is a whole number to Python, and a target to us
            numbers.append(int(number) if isinstance(number, bool) else number)
    return line, numbers


def _short(value: Any) -> str:
    if value is None:
        return "null"
    return f"{len(value)} values" if isinstance(value, list) else repr(value)[:_LONGEST]
