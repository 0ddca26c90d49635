"""YAML as untyped nodes that know their place: no tags, no aliases, no guessing of types.

`yaml` hands out events; the nodes are built here. A plain scalar stays text until the loader asks for a
number or a truth value, so ``on``, ``1:30`` and ``1e-3`` mean what the reader of the file expects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from imbalance_doctor.errors import RuleError

__all__ = ["Mapping", "Node", "Scalar", "Sequence", "read"]

MAX_DEPTH = 8
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 40


class Node:
    """A place in a file."""

    __slots__ = ("mark",)

    def __init__(self, mark: Any) -> None:
        self.mark = mark

    @property
    def line(self) -> int:
        """One-based line."""
        return int(self.mark.line) + 1

    @property
    def column(self) -> int:
        """One-based column."""
        return int(self.mark.column) + 1


class Scalar(Node):
    """A single value; `plain` when it was written without quotes."""

    __slots__ = ("plain", "text")

    def __init__(self, mark: Any, text: str, plain: bool) -> None:
        self.mark = mark
        self.text = text
        self.plain = plain

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


class Sequence(Node):
    """A list."""

    __slots__ = ("items",)

    def __init__(self, mark: Any) -> None:
        super().__init__(mark)
        self.items: list[Node] = []


class Mapping(Node):
    """A mapping with text keys: the keys as written, and their values, by name."""

    __slots__ = ("keys", "values")

    def __init__(self, mark: Any) -> None:
        super().__init__(mark)
        self.keys: dict[str, Scalar] = {}
        self.values: dict[str, Node] = {}


def read(text: str, where: str) -> Node:
    """Parse one document.

    Parameters
    ----------
    text
        The file.
    where
        File name for errors.

    Raises
    ------
    RuleError
        For broken YAML, aliases, anchors, tags, duplicate keys, deep nesting, more than one document.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(loader(text).get_event, where).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise RuleError(f"expected YAML: {problem}", where=where, line=line, column=column) from None
    except yaml.YAMLError as error:  # a character that YAML forbids; the position counts bytes
        position = getattr(error, "position", None)
        line = None if position is None else text.encode()[:position].count(b"\n") + 1
        raise RuleError(f"expected YAML: {str(error).splitlines()[0]}", where=where, line=line) from None


class _Builder:
    def __init__(self, next_event: Callable[[], Any], where: str) -> None:
        import yaml

        self.next = next_event
        self.where = where
        self.scalar, self.alias = yaml.ScalarEvent, yaml.AliasEvent
        self.list, self.list_end = yaml.SequenceStartEvent, yaml.SequenceEndEvent
        self.mapping_end = yaml.MappingEndEvent
        self.end = yaml.StreamEndEvent

    def fail(self, event: Any, problem: str, hint: str = "") -> RuleError:
        mark = event.start_mark
        return RuleError(problem, where=self.where, line=mark.line + 1, column=mark.column + 1, hint=hint)

    def document(self) -> Node:
        self.next()  # the start of the stream
        if type(self.next()) is self.end:
            raise RuleError("expected a rule, but the file is empty", where=self.where)
        root = self.node(self.next(), 0)
        self.next()  # the end of the document
        following = self.next()
        if type(following) is not self.end:
            raise self.fail(following, "expected one rule per file, but got a second document")
        return root

    def node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if kind is self.alias or event.anchor is not None:
            raise self.fail(event, "aliases and anchors are not allowed", "write the value out")
        if event.tag is not None:
            raise self.fail(event, f"the tag '{event.tag}' is not allowed", "write the plain value")
        if kind is self.scalar:
            return Scalar(event.start_mark, event.value, not event.style)
        if depth >= MAX_DEPTH:
            raise self.fail(event, f"expected at most {MAX_DEPTH} levels, but this is nested deeper")
        depth += 1
        if kind is self.list:
            sequence = Sequence(event.start_mark)
            while type(event := self.next()) is not self.list_end:
                sequence.items.append(self.node(event, depth))
            return sequence
        mapping = Mapping(event.start_mark)
        keys, values = mapping.keys, mapping.values
        while type(event := self.next()) is not self.mapping_end:
            key = self.node(event, depth)
            if not isinstance(key, Scalar):
                raise self.fail(event, "expected a name as key")
            name = key.text
            if name in keys:
                raise self.fail(event, f"duplicate key '{name}'", f"first on line {keys[name].line}")
            keys[name] = key
            values[name] = self.node(self.next(), depth)
        return mapping
