"""Numbers as trackers write them into JSON, and the lines they stand in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import IO

__all__ = ["flatten", "long_lines", "plain"]

_NAMES = {
    "nan": math.nan,
    "inf": math.inf,
    "infinity": math.inf,
    "-inf": -math.inf,
    "-infinity": -math.inf,
}
_DEEPEST = 5
_MOST_KEYS = 2_000
_LONGEST_LINE = 4 * 2**20


def plain(value: object) -> float | None:
    """Return a number; None for what is none: truth values, text, lists, nothing.

    What JSON cannot express is written as a string.

    >>> plain("NaN"), plain(3), plain(True), plain("3")
    (nan, 3.0, None, None)
    """
    if isinstance(value, str):
        return _NAMES.get(value.lower())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def flatten(
    row: Mapping[str, object], joint: str, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a row, the keys of nested objects joined; media objects have a `_type`."""
    if depth > _DEEPEST or "_type" in row:
        return
    for count, (key, value) in enumerate(row.items()):
        if count >= _MOST_KEYS:
            return
        name = f"{prefix}{joint}{key}" if prefix else key
        if isinstance(value, Mapping):
            yield from flatten(value, joint, name, depth + 1)
        else:
            number = plain(value)
            if number is not None:
                yield name, number


def long_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; one longer than any row is passed over without being held."""
    while line := stream.readline(_LONGEST_LINE):
        if len(line) >= _LONGEST_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_LONGEST_LINE)
            continue
        yield line
