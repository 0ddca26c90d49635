"""Plans in YAML, read from parser events: no aliases, no tags, no surprises of YAML 1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Location, PlannedRun
from imbalance_doctor.sources.plans.base import PLAN_BYTES, Entry, PlanReader, assemble, fail, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH = 4
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def read(path: str) -> list[PlannedRun]:
    """Read the one run of a YAML plan."""
    entries = parse(read_text(path, limit=PLAN_BYTES), path)
    if not entries:
        raise InputError("expected fields of a plan, but got an empty mapping", where=path)
    return [assemble(entries, name=path)]


def parse(text: str, path: str) -> tuple[Entry, ...]:
    """Return the entries of the top-level mapping, every scalar as its text, with their places."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        reader = _Reader(yaml.parse(text, Loader=loader), path)
        return reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"expected YAML, but {error.problem or error.context or 'it is malformed'}"
        raise InputError(
            problem,
            where=path,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"expected YAML, but {error}", where=path) from None


class _Reader:
    """Builds entries from events; each method consumes what it returns."""

    def __init__(self, events: Iterator[Any], path: str) -> None:
        self._events = events
        self._path = path

    def document(self) -> tuple[Entry, ...]:
        self._next("StreamStartEvent")
        event = next(self._events)
        if _is(event, "StreamEndEvent"):
            raise InputError("expected a plan, but the file is empty", where=self._path)
        event = next(self._events)
        if not _is(event, "MappingStartEvent"):
            if _is(event, "ScalarEvent") and event.value == "":
                raise InputError("expected a plan, but the file is empty", where=self._path)
            raise fail("expected a mapping of plan fields at the top", self._place(event))
        value = self._value(event, 1)
        self._next("DocumentEndEvent")
        event = next(self._events)
        if not _is(event, "StreamEndEvent"):
            raise fail("expected one document, but a second one starts", self._place(event))
        assert isinstance(value, tuple)  # noqa: S101  a mapping event makes a tuple of entries
        return value

    def _next(self, name: str) -> None:
        event = next(self._events)
        assert _is(event, name), event  # noqa: S101  the grammar of events

    def _place(self, event: Any) -> Location:
        mark = event.start_mark
        return Location(path=self._path, line=mark.line + 1, column=mark.column + 1)

    def _value(self, event: Any, depth: int) -> object:
        if _is(event, "AliasEvent"):
            raise fail("expected values without aliases, but got one", self._place(event))
        if event.tag not in (None, "!"):
            raise fail(f"expected values without tags, but got '{event.tag}'", self._place(event))
        if _is(event, "ScalarEvent"):
            plain = event.implicit[0] and not event.style
            return None if plain and event.value in _NULLS else event.value
        if depth > _DEPTH:
            raise fail("expected a flat mapping, but it is nested too deeply", self._place(event))
        if _is(event, "SequenceStartEvent"):
            items = []
            while not _is(event := next(self._events), "SequenceEndEvent"):
                items.append(self._value(event, depth + 1))
            return items
        return self._mapping(depth)

    def _mapping(self, depth: int) -> tuple[Entry, ...]:
        entries = []
        while not _is(event := next(self._events), "MappingEndEvent"):
            where = self._place(event)
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                raise fail("expected a field name as key, but got something else", where)
            value = next(self._events)
            place = self._place(value)
            entries.append(Entry(key=key, value=self._value(value, depth + 1), where=place, key_where=where))
        return tuple(entries)


def _is(event: object, name: str) -> bool:
    return type(event).__name__ == name


READER = PlanReader(suffixes=(".yaml", ".yml"), read=read)
