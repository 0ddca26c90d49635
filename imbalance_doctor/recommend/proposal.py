"""Where the search for a plan starts, per loss: read from ``proposals/<loss>.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from imbalance_doctor.engine.expression import Expression, parse
from imbalance_doctor.evidence import PLAN_FIELDS
from imbalance_doctor.facts.base import Facts, fact_specs


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The value a plan field starts from.

    Attributes
    ----------
    cases
        Conditions with the value and the reason each gives; the first true one counts.
    value
        A literal, or an expression over facts, used when no case holds.
    otherwise
        Used when the value is unknown.
    why
        Printed as the reason for the choice where the case has none of its own.
    """

    cases: tuple[tuple[Expression, Any, str], ...]
    value: Any
    otherwise: Any
    why: str

    def resolve(self, field: str, facts: Facts) -> Any:
        """Return the starting value of `field` for these facts; None when unknown."""
        value = _evaluate(self._case(facts)[0], facts)
        if value is None:
            value = _evaluate(self.otherwise, facts)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            whole = "int" in str(PLAN_FIELDS[field].type)
            value = round(value) if whole else float(f"{value:.3g}")
        return value

    def reason(self, facts: Facts) -> str:
        """Return why the value is what it is for these facts."""
        return self._case(facts)[1]

    def _case(self, facts: Facts) -> tuple[Any, str]:
        for when, value, why in self.cases:
            if when.evaluate(facts) is True:
                return value, why
        return self.value, self.why


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """How to look for a plan with one loss.

    Attributes
    ----------
    tasks
        Kinds of problem the loss is for.
    settings
        Starting values by plan field.
    moves
        Fields that may change to silence a rule, with their values, cheapest first.
    intervals
        Fields whose interval is reported.
    """

    loss: str
    tasks: tuple[str, ...]
    settings: Mapping[str, Setting]
    moves: tuple[tuple[str, tuple[Any, ...]], ...]
    intervals: tuple[str, ...]


def caution(name: str) -> str:
    """Return a measured caution of ``proposals/common.yaml``: ``single_data_set`` or ``beyond_the_loss``.

    ``beyond_the_loss_below`` is the gain below which the latter is said.
    """
    return str(_files()["common"][name])


@cache
def _files() -> Mapping[str, Any]:
    import yaml

    folder = resources.files("imbalance_doctor.recommend") / "proposals"
    return {
        entry.name.removesuffix(".yaml"): yaml.load(
            entry.read_text(encoding="utf-8"),
            Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506  both are safe loaders
        )
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml") and entry.name != "questions.yaml"
    }


@cache
def proposals() -> Mapping[str, Proposal]:
    """Read the proposals of every loss."""
    common = {name: _setting(spec) for name, spec in _files()["common"]["settings"].items()}
    return {
        name: Proposal(
            loss=body["loss"],
            tasks=tuple(body["tasks"]),
            settings=common | {k: _setting(v) for k, v in body["settings"].items()},
            moves=tuple((move["field"], _values(move)) for move in body["moves"]),
            intervals=tuple(body["intervals"]),
        )
        for name, body in _files().items()
        if name != "common"
    }


def _setting(spec: Mapping[str, Any]) -> Setting:
    return Setting(
        cases=tuple(
            (parse(c["when"], {}), _literal_or_expression(c["value"]), c.get("why", spec["why"]))
            for c in spec.get("cases", ())
        ),
        value=_literal_or_expression(spec["value"]),
        otherwise=_literal_or_expression(spec.get("otherwise")),
        why=spec["why"],
    )


def _literal_or_expression(value: Any) -> Any:
    if not isinstance(value, str) or "." not in value or value in fact_specs():
        return value
    return parse(value, {})


def _evaluate(value: Any, facts: Facts) -> Any:
    if isinstance(value, Expression):
        return value.evaluate(facts)
    # A fact by itself may be a vector, which expressions do not speak of.
    return facts.value(value) if isinstance(value, str) and value in fact_specs() else value


def _values(move: Mapping[str, Any]) -> tuple[Any, ...]:
    if "values" in move:
        return tuple(move["values"])
    bounds = move["powers_of_two"]
    values, value = [0], bounds["least"]
    while value <= bounds["most"]:
        values.append(value)
        value *= 2
    return tuple(values)
