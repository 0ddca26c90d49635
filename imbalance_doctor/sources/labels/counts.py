"""``.json``, ``.yaml``: class → count, plain or under ``counts``; or a JSON list of labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._values import Options, from_names
from imbalance_doctor.sources.labels.base import LabelFile, Reader, is_textual

_LARGEST_JSON = 256 * 2**20
_LARGEST_YAML = 16 * 2**20
_DEEPEST_YAML = 3
_YAML_LINE = re.compile(rb"""(#.*|---|\{\}|counts:|\s*["']?[^:#"']+["']?\s*:\s+\d+)\s*""")
_COUNT = re.compile(r"[+-]?(0|[1-9][0-9]*(_[0-9]{3})*)")
_MOST_DIGITS = 18
_BOM = b"\xef\xbb\xbf"


class Counts(Reader):
    """Counts per class, or a list of labels."""

    title = "class counts (.json, .yaml)"
    suffixes = (".json", ".yaml", ".yml")
    rank = 1

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the opening brace or bracket, or by lines ``class: count``."""
        if not is_textual(head):
            return False
        if _opens_json(head):
            return True
        text = head.removeprefix(_BOM).lstrip()
        lines = text.splitlines()[:-1] if len(text) > 4000 else text.splitlines()  # noqa: PLR2004  may be cut
        return any(b":" in line for line in lines) and all(
            _YAML_LINE.fullmatch(line) for line in lines if line.strip()
        )

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Read the counts, or count the listed labels."""
        suffix = file.suffix
        is_json = suffix == ".json" or (suffix not in Counts.suffixes and _opens_json(file.head))
        largest = _LARGEST_JSON if is_json else _LARGEST_YAML
        with file.open() as stream:
            raw = stream.read(largest + 1)
        if len(raw) > largest:
            raise InputError(
                f"expected at most {largest // 2**20} MiB of counts, but got more", where=file.name
            )
        text = raw.decode("utf-8-sig")
        value = _load_json(text, file.name) if is_json else _load_yaml(text, file.name)
        if options.tick is not None:
            options.tick(len(raw))
        if isinstance(value, list):
            return _count_list(value, file.name, options)
        if not isinstance(value, Mapping):
            raise InputError("expected a mapping class: count, but got another value", where=file.name)
        if set(value) == {"counts"} and isinstance(value["counts"], Mapping):
            value = value["counts"]
        if options.kind == "indicator":
            raise InputError(
                "expected multi-label rows, but got class counts, which do not tell the number of rows",
                where=file.name,
            )
        counts = {str(name): _count(name, number, file.name) for name, number in value.items()}
        if not counts:
            raise InputError("expected counts of at least two classes, but got none", where=file.name)
        return from_names(counts, options, where=file.name)


def _opens_json(head: bytes) -> bool:
    return head.removeprefix(_BOM).lstrip()[:1] in {b"{", b"["}


def _load_json(text: str, where: str) -> Any:
    from imbalance_doctor.sources.labels._json import load_json

    return load_json(text, where)


def _count(name: object, number: Any, where: str) -> int:
    if isinstance(number, str) and _COUNT.fullmatch(number) and len(number) <= _MOST_DIGITS:
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        got = f"{number!r}"[:40] if isinstance(number, (str, float, bool)) else f"a {type(number).__name__}"
        raise InputError(f"expected a whole number of rows for class '{name}', but got {got}", where=where)
    if number < 0:
        raise InputError(f"expected a count from 0 for class '{name}', but got {number}", where=where)
    return number


def _load_yaml(text: str, where: str) -> Any:
    """Read plain YAML as text; nothing in it is resolved or constructed."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, loader):
            if isinstance(event, yaml.AliasEvent):
                raise _misplaced("expected plain counts, but got a YAML alias", event, where)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST_YAML:
                raise _misplaced("expected a mapping class: count, but got deeply nested data", event, where)
        node = yaml.compose(text, loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(
            f"expected YAML, but got: {problem}",
            where=where,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from error
    return None if node is None else _plain(node, where)


def _plain(node: Any, where: str) -> Any:
    import yaml

    if isinstance(node, yaml.ScalarNode):
        family, _, kind = node.tag.rpartition(":")
        if family != "tag:yaml.org,2002" or "/" in kind:
            raise _misplaced(f"expected plain values, but got the tag {node.tag}", node, where)
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, where) for item in node.value]
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _misplaced("expected class names as keys, but got a nested one", key, where)
        name = _plain(key, where)
        if name in found:
            raise _misplaced(f"expected every key once, but got '{name}' twice", key, where)
        found[name] = _plain(value, where)
    return found


def _misplaced(problem: str, node: Any, where: str) -> InputError:
    mark = node.start_mark
    return InputError(problem, where=where, line=mark.line + 1, column=mark.column + 1)


def _count_list(labels: list[Any], where: str, options: Options) -> LabelCounts:
    from collections import Counter

    import numpy as np

    from imbalance_doctor.sources.labels._arrays import count_array, in_memory

    if not labels:
        raise InputError("expected labels, but got an empty list", where=where)
    if all(isinstance(label, str) for label in labels):
        return from_names(Counter(labels), options, where=where)
    flat = labels
    if all(isinstance(label, list) for label in labels):
        if len({len(row) for row in labels}) > 1:
            raise InputError("expected rows of one length, but got several", where=where)
        flat = [label for row in labels for label in row]
    if not all(isinstance(label, (int, float)) for label in flat):
        index = next(i for i, label in enumerate(flat) if not isinstance(label, (int, float)))
        kind = "null" if flat[index] is None else type(flat[index]).__name__
        raise InputError(f"expected a list of class ids, but entry {index} (from 0) is {kind}", where=where)
    array = np.array(labels)
    if array.dtype.kind == "O":
        raise InputError("expected class ids of at most 64 bits, but got larger ones", where=where)
    return count_array(in_memory(array, where), replace(options, tick=None))
