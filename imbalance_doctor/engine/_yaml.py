"""YAML as untyped nodes that know their place: no tags, no aliases, no guessing of types.

`yaml` hands out events; the nodes are built here. A plain scalar stays text until the loader asks for a
number or a truth value, so ``on``, ``1:30`` and ``1e-3`` mean what the reader of the file expects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from imbalance_doctor.errors import RuleError

__all__ = ["Mapping", "Node", "Scalar", "Sequence", "read"]

MAX_DEPTH = 8
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 40


@dataclass(slots=True)
class Node:
    """A place in a file: one-based line and column."""

    line: int
    column: int


@dataclass(slots=True)
class Scalar(Node):
    """A single value; `plain` when it was written without quotes."""

    text: str
    plain: bool

    @property
    def number(self) -> int | float | None:
        """The number it is, if any: YAML 1.2, so that 1e-3 is one and 1:30, 010 and 1_000 are not."""
        if not self.plain or len(self.text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(self.text):
            return None
        return float(self.text) if set(self.text) & set(".eE") else int(self.text)

    @property
    def truth(self) -> bool | None:
        """The truth value it is, if any."""
        return {"true": True, "false": False}.get(self.text.lower()) if self.plain else None

    @property
    def null(self) -> bool:
        """Whether it stands for nothing."""
        return self.plain and self.text in {"", "~", "null"}


@dataclass(slots=True)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping(Node):
    """A mapping with text keys."""

    keys: dict[str, Scalar] = field(default_factory=dict)
    values: dict[str, Node] = field(default_factory=dict)


def read(text: str, where: str, *, skipped_lines: int = 0) -> Node:
    """Parse one document.

    Parameters
    ----------
    text
        The file, or its end.
    where
        File name for errors.
    skipped_lines
        Lines of the file before `text`.

    Raises
    ------
    RuleError
        For broken YAML, aliases, anchors, tags, duplicate keys, deep nesting, more than one document.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(where, skipped_lines)
    try:
        return builder.document(iter(yaml.parse(text, Loader=loader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1 + skipped_lines, mark.column + 1) if mark else (None, None)
        raise RuleError(f"expected YAML: {problem}", where=where, line=line, column=column) from None
    except yaml.YAMLError as error:
        raise RuleError(f"expected YAML: {str(error).splitlines()[0]}", where=where) from None


class _Builder:
    def __init__(self, where: str, skipped: int) -> None:
        self.where = where
        self.skipped = skipped

    def place(self, event: Any) -> tuple[int, int]:
        return event.start_mark.line + 1 + self.skipped, event.start_mark.column + 1

    def fail(self, event: Any, problem: str, hint: str = "") -> RuleError:
        line, column = self.place(event)
        return RuleError(problem, where=self.where, line=line, column=column, hint=hint)

    def document(self, events: Iterator[Any]) -> Node:
        next(events)  # the start of the stream
        start = next(events)
        if type(start).__name__ == "StreamEndEvent":
            raise RuleError("expected a rule, but the file is empty", where=self.where)
        root = self.node(next(events), events, 0)
        next(events)  # the end of the document
        following = next(events)
        if type(following).__name__ != "StreamEndEvent":
            raise self.fail(following, "expected one rule per file, but got a second document")
        return root

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        name = type(event).__name__
        if name == "AliasEvent" or event.anchor is not None:
            raise self.fail(event, "aliases and anchors are not allowed", "write the value out")
        if event.tag is not None:
            raise self.fail(event, f"the tag '{event.tag}' is not allowed", "write the plain value")
        if depth > MAX_DEPTH:
            raise self.fail(event, f"nested more than {MAX_DEPTH} deep")
        line, column = self.place(event)
        if name == "ScalarEvent":
            return Scalar(line, column, event.value, event.style in {None, ""})
        if name == "SequenceStartEvent":
            items = []
            while type(event := next(events)).__name__ != "SequenceEndEvent":
                items.append(self.node(event, events, depth + 1))
            return Sequence(line, column, items)
        mapping = Mapping(line, column)
        while type(event := next(events)).__name__ != "MappingEndEvent":
            key = self.node(event, events, depth + 1)
            if not isinstance(key, Scalar):
                raise self.fail(event, "expected a name as key")
            if key.text in mapping.keys:
                raise self.fail(
                    event, f"duplicate key '{key.text}'", f"first on line {mapping.keys[key.text].line}"
                )
            mapping.keys[key.text] = key
            mapping.values[key.text] = self.node(next(events), events, depth + 1)
        return mapping
