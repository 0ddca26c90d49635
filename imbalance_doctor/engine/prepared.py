"""The rules that ship, in a form that loads many times faster than YAML: one line of JSON per rule.

``rules/prepared.jsonl`` only saves time. Each line carries the checksum of the file it was made from and is
used while that still fits; a rule that was changed or added since is read from its own file. To write it
anew: ``python -m imbalance_doctor.engine``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Self

from imbalance_doctor.engine.expression import Expression
from imbalance_doctor.engine.figures import Figures
from imbalance_doctor.engine.loader import MeritClaim, Param, Rule, builtin_rule
from imbalance_doctor.engine.template import Template, parse_template
from imbalance_doctor.evidence import Location
from imbalance_doctor.facts.base import fact_specs

__all__ = ["FILE_NAME", "Prepared", "prepare"]

FILE_NAME = "prepared.jsonl"
_SPECIAL = {"params", "when", "when_at", "message", "suggest", "merit", "figures", "examples_source"}
_PLAIN = tuple(field.name for field in fields(Rule) if field.name not in _SPECIAL)


class Prepared:
    """The lines, by file name (``family/id.yaml``)."""

    def __init__(self, lines: Mapping[str, dict[str, Any]]) -> None:
        self.lines = lines

    @classmethod
    def beside(cls, root: Any) -> Self:
        """Read the file beside the rules; nothing is prepared where it is missing or cannot be read."""
        try:
            # One array is parsed faster than many lines.
            text = "[" + ",".join((root / FILE_NAME).read_text(encoding="utf-8").splitlines()) + "]"
            return cls({line["file"]: line for line in json.loads(text)})
        except (OSError, ValueError):
            return cls({})

    def rule(self, name: str, data: bytes, figures: Figures | None = None) -> Rule | None:
        """Return a rule as prepared, or None when its file is no longer the one it was prepared from.

        Figures are measured apart from the rule's text, and given.
        """
        line = self.lines.get(name)
        if line is None or line["checksum"] != zlib.crc32(data):
            return None
        return _rule(name, data, line, figures)


def prepare(files: Mapping[str, bytes]) -> str:
    """Return the prepared form of rule files.

    Parameters
    ----------
    files
        Contents by name (``family/id.yaml``).

    Raises
    ------
    RuleError
        When one cannot be read.
    """
    return "".join(
        json.dumps({"file": name, "checksum": zlib.crc32(data), **_line(builtin_rule(name, data))}) + "\n"
        for name, data in sorted(files.items())
    )


def _line(rule: Rule) -> dict[str, Any]:
    return {
        **{name: getattr(rule, name) for name in _PLAIN},
        "params": {name: asdict(param) for name, param in rule.params.items()},
        "inputs": sorted(rule.inputs),
        "when": rule.when.source,
        "when_at": asdict(rule.when_at),
        "message": rule.message.source,
        "suggest": {name: expression.source for name, expression in rule.suggest.items()},
        "merit": None if rule.merit is None else asdict(rule.merit),
    }


def _rule(name: str, data: bytes, line: Mapping[str, Any], figures: Figures | None) -> Rule:
    # Sound when it was prepared, so expressions and message may wait until they are used.
    params = {key: Param(**param) for key, param in line["params"].items()}
    values = {key: param.value for key, param in params.items()}
    message, suggest = line["message"], line["suggest"]

    def pieces() -> Any:
        kinds = {key: fact_specs()[f"plan.{key}"].kind for key in suggest}
        return parse_template(message, values, kinds).pieces

    plain: dict[str, Any] = {key: tuple(v) if isinstance(v := line[key], list) else v for key in _PLAIN}
    rule = Rule(
        **plain,
        params=params,
        when=Expression(line["when"], None, values),
        when_at=Location(**line["when_at"]),
        message=Template(message, pieces),
        suggest={key: Expression(source, None, values) for key, source in suggest.items()},
        merit=None if line["merit"] is None else MeritClaim(**line["merit"]),
        figures=figures,
        examples_source=lambda: builtin_rule(name, data).examples,
    )
    vars(rule)["inputs"] = frozenset(line["inputs"])  # where it is cached: rules left out are never parsed
    return rule
