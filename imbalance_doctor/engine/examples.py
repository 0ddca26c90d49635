"""The tests inside a rule: its examples, and the mutants that its examples must catch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from imbalance_doctor.engine.base import Finding, Merit
from imbalance_doctor.engine.expression import Expression, Node
from imbalance_doctor.engine.judge import judge
from imbalance_doctor.engine.loader import Example, Rule, find_rules, read_rule
from imbalance_doctor.errors import RuleError
from imbalance_doctor.facts.base import Facts

__all__ = ["ExampleResult", "RuleTest", "check_rule", "gaps", "mutants", "run_examples", "test_directory"]

_FLIPS = {
    "<": ("<=", ">"),
    "<=": ("<", ">="),
    ">": (">=", "<"),
    ">=": (">", "<="),
    "==": ("!=",),
    "!=": ("==",),
    "and": ("or",),
    "or": ("and",),
    "in": ("not in",),
    "not in": ("in",),
}
_NUDGE = 0.01


@dataclass(frozen=True, kw_only=True)
class ExampleResult:
    """One example, run.

    Attributes
    ----------
    example
        Its name.
    got, expected
        The outcome, or the first thing that differs.
    line
        Line of the example in the rule file.
    """

    example: str
    passed: bool
    got: str
    expected: str
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class RuleTest:
    """All tests of one rule.

    Attributes
    ----------
    rule
        Its id.
    results
        One per example.
    gaps
        Kinds of example that are missing, as sentences.
    survivors
        Mutants that no example catches, as they read.
    error
        Why the rule could not be loaded; then there is nothing else.
    """

    rule: str
    path: str
    results: tuple[ExampleResult, ...] = ()
    gaps: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.error and not self.gaps and not self.survivors and all(r.passed for r in self.results)


def run_examples(rule: Rule) -> list[ExampleResult]:
    """Run every example of a rule."""
    return [_run(rule, example) for example in rule.examples]


def mutants(rule: Rule) -> list[str]:
    """Return the mutants that survive: slightly wrong rules that every example still accepts.

    Each comparison is loosened or tightened and turned around, ``and`` and ``or`` are exchanged,
    ``not`` is dropped, and every param is moved by 1 % up and down.
    """
    return [
        told
        for told, mutant in _mutations(rule)
        if all(_run(mutant, example).passed for example in rule.examples)
    ]


def gaps(rule: Rule) -> tuple[str, ...]:
    """Return the kinds of example that are missing."""
    found = []
    kinds = {example.expect for example in rule.examples}
    if "fires" not in kinds:
        found.append("no example fires")
    elif all(example.message is None for example in rule.examples):
        found.append("no example that fires tells the message")
    if rule.when.facts and "passes" not in kinds:
        found.append("no example passes")
    if "unknown" not in kinds and rule.when.evaluate(_facts(rule, {})) is None:
        found.append("no example is unknown")
    return tuple(found)


def check_rule(rule: Rule) -> RuleTest:
    """Run the examples of one rule, and look for missing examples and surviving mutants."""
    results = tuple(run_examples(rule))
    fine = all(result.passed for result in results)
    return RuleTest(
        rule=rule.id,
        path=rule.path,
        results=results,
        gaps=gaps(rule),
        survivors=tuple(mutants(rule)) if fine else (),  # against failing examples they mean nothing
    )


def test_directory(place: str | os.PathLike[str]) -> tuple[RuleTest, ...]:
    """Test every rule file of a directory; a malformed file is one failed test.

    Raises
    ------
    RuleError
        When the directory holds no rules.
    """
    tests = []
    for path in find_rules(place):
        try:
            tests.append(check_rule(read_rule(path)))
        except RuleError as error:
            tests.append(RuleTest(rule=path.stem, path=str(path), error=str(error)))
    return tuple(tests)


test_directory.__test__ = False  # type: ignore[attr-defined]  # pytest must not take it for one of its own


def _facts(rule: Rule, given: Mapping[str, Any]) -> Facts:
    if rule.applies_to and "plan.loss" not in given:
        given = {"plan.loss": rule.applies_to[0], **given}
    families: dict[str, SimpleNamespace] = {}
    for name, value in given.items():
        family, _, fact = name.partition(".")
        setattr(families.setdefault(family, SimpleNamespace()), fact, value)
    return Facts(**families)


def _run(rule: Rule, example: Example) -> ExampleResult:
    judgement = judge([rule], _facts(rule, example.facts))
    fired: list[Finding | Merit] = [*judgement.findings, *judgement.merits]
    outcome = (
        "fires"
        if fired
        else "passes"
        if judgement.passed
        else "unknown"
        if judgement.unknown
        else "not-applicable"
    )

    def result(got: str, expected: str) -> ExampleResult:
        return ExampleResult(
            example=example.name, passed=got == expected, got=got, expected=expected, line=example.line
        )

    if outcome != example.expect:
        detail = f" ({judgement.unknown[0].because})" if judgement.unknown else ""
        return result(outcome + detail, example.expect)
    if example.message is not None and fired[0].message != example.message:
        return result(repr(fired[0].message), repr(example.message))
    if example.suggest is not None and not _same(judgement.findings[0].suggest, example.suggest):
        return result(f"suggest {dict(judgement.findings[0].suggest)}", f"suggest {dict(example.suggest)}")
    return result(outcome, outcome)


def _same(got: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    def equal(one: Any, two: Any) -> bool:
        if isinstance(one, str | bool) or isinstance(two, str | bool):
            return bool(one == two)
        return math.isclose(one, two, rel_tol=1e-9)

    return got.keys() == expected.keys() and all(equal(got[name], expected[name]) for name in got)


def _mutations(rule: Rule) -> Iterator[tuple[str, Rule]]:
    when = rule.when
    for node in _mutate(when.node):
        yield f"when: {node}", rule.replace(when=Expression(str(node), node, when.params))
    computed = when.used_params.union(*(e.used_params for e in rule.suggest.values()))
    for name, param in rule.params.items():
        if name not in computed or param.value == 0:
            continue  # only shown; and 1 % of nothing is nothing
        for factor in (1 + _NUDGE, 1 - _NUDGE):
            moved = replace(param, value=param.value * factor)
            params = {**rule.params, name: moved}
            values = {key: entry.value for key, entry in params.items()}
            mutant = rule.replace(
                params=params,
                when=Expression(when.source, when.node, values),
                suggest={field: Expression(e.source, e.node, values) for field, e in rule.suggest.items()},
            )
            yield f"{name}: {moved.value:g}", mutant


def _mutate(node: Node) -> Iterator[Node]:
    """Yield the tree with one step changed."""
    for op in _FLIPS.get(node.op, ()):
        yield node._replace(op=op)
    if node.op == "not":
        yield node.parts[0]
    for index, part in enumerate(node.parts):
        for changed in _mutate(part):
            yield node._replace(parts=(*node.parts[:index], changed, *node.parts[index + 1 :]))
