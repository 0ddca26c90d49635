"""``.jsonl``: one object per row, such as ``{"logits": [0.3, -1.2, 0.1], "target": 2, "step": 40}``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels._json import load_json
from imbalance_doctor.sources.labels._lines import decoded_lines
from imbalance_doctor.sources.labels._values import Options as LabelOptions
from imbalance_doctor.sources.labels.base import LabelFile, is_textual
from imbalance_doctor.sources.scores._names import assign
from imbalance_doctor.sources.scores._parts import MOST_CLASSES, Options, Source
from imbalance_doctor.sources.scores._rows import Number, text_source
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

        def rows() -> Iterator[tuple[int, list[Any]]]:
            return ((line, _values(line, found, lengths, path)) for line, found in _objects(file))

        return text_source(rows, roles, (width, target_width), path, _numbers)


def _objects(file: LabelFile) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects with their lines; empty lines are passed over."""
    for line, text in enumerate(decoded_lines(file, LabelOptions()), 1):
        if not text.strip():
            continue
        try:
            found = _DECODER.decode(text)
        except (ValueError, RecursionError):
            # once more, for the error that names the place
            found = load_json(text.rstrip(), file.name, finite=False, line=line)
        if not isinstance(found, dict):
            raise InputError(
                f"expected an object, but got {text.strip()[:_LONGEST]}", where=file.name, line=line
            )
        yield line, found


def _length(value: Any) -> int | None:
    """Return the length of a list; None for a single value."""
    return len(value) if isinstance(value, list) else None


def _values(line: int, found: Mapping[str, Any], lengths: Mapping[str, int | None], path: str) -> list[Any]:
    values: list[Any] = []
    for name, length in lengths.items():
        value = found.get(name)
        if value is None and name not in found:
            raise InputError(
                f"expected the keys of the first line, but '{name}' is missing", where=path, line=line
            )
        if _length(value) != length:
            expected = f"{length} numbers" if length is not None else "one number"
            got = "one value" if not isinstance(value, list) else f"{len(value)} values"
            raise InputError(f"expected {expected} as {name}, but got {got}", where=path, line=line)
        if isinstance(value, list):
            values.extend(value)
        else:
            values.append(value)
    return values


def _numbers(values: Sequence[Any]) -> Sequence[Number]:
    kinds = set(map(type, values))
    if not kinds <= {int, float, bool}:
        raise ValueError
    return [int(v) if v is True or v is False else v for v in values] if bool in kinds else values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
