"""All rules at once: those that ship, in their prepared form where it fits, and those a user adds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from imbalance_doctor.engine.figures import FILE_NAME, Figures, Measured
from imbalance_doctor.engine.loader import Rule, builtin_root, builtin_rule, find_rules, read_rule
from imbalance_doctor.engine.odds import ODDS_NAME, Odds
from imbalance_doctor.engine.prepared import Prepared
from imbalance_doctor.errors import RuleError, did_you_mean

__all__ = ["RuleBook", "load_rules", "measured", "odds"]


class RuleBook:
    """The loaded rules.

    Attributes
    ----------
    rules
        By id, sorted.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: Mapping[str, Rule] = MappingProxyType(
            {rule.id: rule for rule in sorted(rules, key=lambda rule: rule.id)}
        )

    def get(self, rule_id: str, beside: Iterable[str] = ()) -> Rule:
        """Return one rule.

        Parameters
        ----------
        beside
            Ids of other things that may have been meant.

        Raises
        ------
        RuleError
            When there is no such rule.
        """
        if rule_id not in self.rules:
            raise RuleError(
                f"unknown rule '{rule_id}'",
                hint=did_you_mean(rule_id, [*self.rules, *beside])
                or "`imbalance-doctor rules list` names them all",
            )
        return self.rules[rule_id]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules.values())

    def __len__(self) -> int:
        return len(self.rules)


def load_rules(*, extra: Iterable[str | os.PathLike[str]] = (), override: Iterable[str] = ()) -> RuleBook:
    """Load the built-in rules and those of further directories.

    Parameters
    ----------
    extra
        Directories (or single files) with rules. A directory may hold a ``measured.json`` for its rules.
    override
        Ids of built-in rules that a rule from `extra` may replace.

    Raises
    ------
    RuleError
        For the first rule that cannot be used.
    """
    rules = {rule.id: rule for rule in _builtin()}
    allowed = set(override)
    for rule_id in sorted(allowed - set(rules)):
        raise RuleError(
            f"cannot override '{rule_id}': no such built-in rule", hint=did_you_mean(rule_id, rules)
        )
    for place in extra:
        paths = find_rules(place)
        figures = _figures(Path(place), {path.stem for path in paths})
        for path in paths:
            rule = read_rule(path)
            if rule.id in figures:
                rule = rule.replace(figures=figures[rule.id])
            known = rules.get(rule.id)
            if known is not None and not (known.builtin and rule.id in allowed):
                hint = "name it as an override to replace it" if known.builtin else f"first in {known.path}"
                origin = "a built-in rule" if known.builtin else "another rule"
                raise RuleError(f"the id '{rule.id}' is taken by {origin}", where=path, line=1, hint=hint)
            rules[rule.id] = rule
    for rule_id in sorted(allowed):
        if rules[rule_id].builtin:
            raise RuleError(f"cannot override '{rule_id}': no rule given replaces it")
    return RuleBook(rules.values())


def _figures(place: Path, known: set[str]) -> Mapping[str, Figures]:
    """Return the figures of the rules of a directory, by id."""
    found = Measured.beside(place).rules if place.is_dir() else {}
    for rule_id in sorted(found.keys() - known):
        hint = did_you_mean(rule_id, known)
        raise RuleError(f"figures of '{rule_id}', but no such rule", where=place / FILE_NAME, hint=hint)
    return found


def measured() -> Measured:
    """Return the figures of the rules that ship.

    Raises
    ------
    RuleError
        Their file is malformed.
    """
    return Measured.beside(builtin_root(), where=f"rules/{FILE_NAME}")


@cache
def odds() -> Odds:
    """Return how far the firing of each rule that ships shifts the odds of each cause.

    Raises
    ------
    RuleError
        Their file is malformed.
    """
    return Odds.beside(builtin_root(), where=f"rules/{ODDS_NAME}")


@cache
def _builtin() -> tuple[Rule, ...]:
    root = builtin_root()
    prepared = Prepared.beside(root)
    figures = measured().rules
    rules = []
    for folder in root.iterdir():
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.name.endswith(".yaml"):
                data, name = entry.read_bytes(), f"{folder.name}/{entry.name}"
                found = figures.get(entry.name.removesuffix(".yaml"))
                rule = prepared.rule(name, data, found) or builtin_rule(name, data).replace(figures=found)
                rules.append(rule)
    return tuple(rules)
