"""Plans in JSON: strict syntax, places taken from reading the same text as YAML."""

from __future__ import annotations

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Location, PlannedRun
from imbalance_doctor.sources.plans import yaml_file
from imbalance_doctor.sources.plans.base import PLAN_BYTES, Entry, PlanReader, assemble, read_text


class _Pairs(list[tuple[str, object]]):
    """A JSON object as its pairs, repeated keys included."""


def read(path: str) -> list[PlannedRun]:
    """Read the one run of a JSON plan."""
    import json

    text = read_text(path, limit=PLAN_BYTES)
    if not text.strip():
        raise InputError("expected a plan, but the file is empty", where=path)
    try:
        value = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise InputError(
            f"expected JSON, but {error.msg[:1].lower()}{error.msg[1:]}",
            where=path,
            line=error.lineno,
            column=error.colno,
        ) from None
    except (RecursionError, ValueError):
        raise InputError(
            "expected JSON, but it is nested too deeply or a number is too long", where=path
        ) from None
    if not isinstance(value, _Pairs):
        raise InputError("expected an object of plan fields at the top", where=path)
    if not value:
        raise InputError("expected fields of a plan, but got an empty object", where=path)
    places: dict[tuple[str, ...], Entry] = {}
    try:
        _index(yaml_file.parse(text, path), (), places)
    except InputError:
        places.clear()  # JSON that is no YAML is still JSON: its values are read, without places
    return [assemble(_entries(value, path, (), places), name=path)]


def _index(entries: tuple[Entry, ...], prefix: tuple[str, ...], places: dict[tuple[str, ...], Entry]) -> None:
    for entry in entries:
        places[(*prefix, entry.key)] = entry  # of a repeated key the last, which is the one to mend
        if isinstance(entry.value, tuple):
            _index(entry.value, (*prefix, entry.key), places)


def _entries(
    pairs: _Pairs, path: str, prefix: tuple[str, ...], places: dict[tuple[str, ...], Entry]
) -> tuple[Entry, ...]:
    nowhere = Location(path=path)
    found = []
    for key, value in pairs:
        at = places.get((*prefix, key))
        raw: object = _entries(value, path, (*prefix, key), places) if isinstance(value, _Pairs) else value
        found.append(
            Entry(
                key=key,
                value=raw,
                where=at.where if at else nowhere,
                key_where=at.key_where if at else nowhere,
            )
        )
    return tuple(found)


READER = PlanReader(suffixes=(".json",), read=read)
