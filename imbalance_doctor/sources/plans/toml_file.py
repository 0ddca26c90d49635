"""Plans in TOML."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Location, PlannedRun
from imbalance_doctor.sources.plans.base import PLAN_BYTES, Entry, PlanReader, assemble, read_text


def read(path: str) -> list[PlannedRun]:
    """Read the one run of a TOML plan."""
    import tomllib

    text = read_text(path, limit=PLAN_BYTES)
    if not text.strip():
        raise InputError("expected a plan, but the file is empty", where=path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+), column (\d+)", place)
        raise InputError(
            f"expected TOML, but {problem[:1].lower()}{problem[1:]}",
            where=path,
            line=int(found[1]) if found else None,
            column=int(found[2]) if found else None,
        ) from None
    except (RecursionError, ValueError):
        raise InputError(
            "expected TOML, but it is nested too deeply or a number is too long", where=path
        ) from None
    if not values:
        raise InputError("expected fields of a plan, but the file holds none", where=path)
    return [assemble(_entries(values, path, _lines(text)), name=path)]


def _entries(values: Mapping[str, object], path: str, lines: Mapping[str, int | None]) -> tuple[Entry, ...]:
    found = []
    for key, value in values.items():
        where = Location(path=path, line=lines.get(key))
        raw: object = _entries(value, path, lines) if isinstance(value, Mapping) else value
        found.append(Entry(key=key, value=raw, where=where, key_where=where))
    return tuple(found)


def _lines(text: str) -> dict[str, int | None]:
    """Map each key to the line that sets it (tomllib does not tell); None where several lines might."""
    lines: dict[str, int | None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        found = re.match(r"""\s*(?:\[\s*)?["']?([\w-]+)["']?\s*[=\]]""", line)
        if found:
            lines[found[1]] = None if found[1] in lines else number
    return lines


READER = PlanReader(suffixes=(".toml",), read=read)
