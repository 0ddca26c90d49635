"""Rules x facts → one result per rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from imbalance_doctor.engine.base import (
    SEVERITIES,
    Finding,
    Judgement,
    Merit,
    NotApplicable,
    Passed,
    Unknown,
)
from imbalance_doctor.engine.expression import Unknowns
from imbalance_doctor.engine.loader import CONFIDENCES, Rule
from imbalance_doctor.evidence import PLAN_FIELDS, Location
from imbalance_doctor.facts.base import Facts, fact_specs

__all__ = ["Places", "judge", "missing_of", "order", "suggestions"]

Places = Mapping[str, Location] | Callable[[str], Location | None]
_SEVERITY = {word: rank for rank, word in enumerate(SEVERITIES)}
_CONFIDENCE = {word: rank for rank, word in enumerate(CONFIDENCES)}


def judge(rules: Iterable[Rule], facts: Facts, *, run: str = "", where: Places | None = None) -> Judgement:
    """Judge facts by rules.

    Parameters
    ----------
    rules
        The rules to ask.
    facts
        What was measured.
    run
        Name of the planned run, for the results.
    where
        Place of each plan field, by name: a mapping or a function.

    Returns
    -------
    Judgement
        Exactly one result per rule. Findings and unknown rules are sorted by severity, then
        confidence, then id; the rest by id.
    """
    findings: list[Finding] = []
    passed: list[Passed] = []
    unknown: list[Unknown] = []
    not_applicable: list[NotApplicable] = []
    merits: list[Merit] = []
    loss = facts.value("plan.loss")
    for rule in rules:
        if rule.applies_to and loss is not None and loss not in rule.applies_to:
            not_applicable.append(_elsewhere(rule.id, rule.applies_to, loss))
            continue
        fires = None if rule.applies_to and loss is None else rule.when.evaluate(facts)
        if fires is None:
            unknown.append(_unknown(rule, facts, run))
        elif not fires:
            passed.append(_silent(rule.id))
        elif rule.merit is None:
            findings.append(_finding(rule, facts, run, where))
        else:
            merits.append(_merit(rule, facts))
    return Judgement(
        findings=tuple(sorted(findings, key=order)),
        passed=tuple(sorted(passed, key=lambda p: p.rule)),
        unknown=tuple(sorted(unknown, key=lambda u: (_SEVERITY[u.severity], u.rule))),
        not_applicable=tuple(sorted(not_applicable, key=lambda n: n.rule)),
        merits=tuple(sorted(merits, key=lambda m: m.rule)),
    )


def order(finding: Finding) -> tuple[int, int, str]:
    """Return what findings are sorted by: severity, confidence, id."""
    return _SEVERITY[finding.severity], _CONFIDENCE[finding.confidence], finding.rule


@cache
def _silent(rule_id: str) -> Passed:
    return Passed(rule=rule_id)


@cache
def _elsewhere(rule_id: str, losses: tuple[str, ...], loss: str) -> NotApplicable:
    return NotApplicable(rule=rule_id, because=f"it speaks of {_listed(losses)}, and the plan has {loss}")


def suggestions(rule: Rule, facts: Facts) -> dict[str, Any]:
    """Return the values the rule suggests, by plan field; what is unknown or out of range is left out."""
    found: dict[str, Any] = {}
    for name, expression in rule.suggest.items():
        value = expression.evaluate(facts)
        if value is None or (
            expression.kind == "number" and not _in_range(value, PLAN_FIELDS[name].metadata)
        ):
            continue
        found[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    return found


def _in_range(value: float, allowed: Mapping[str, Any]) -> bool:
    low, high = allowed["low"], allowed["high"]
    above = low is None or value > low or (value == low and not allowed["low_open"])
    below = high is None or value < high or (value == high and not allowed["high_open"])
    return math.isfinite(value) and above and below


def _finding(rule: Rule, facts: Facts, run: str, where: Places | None) -> Finding:
    suggest = suggestions(rule, facts)
    return Finding(
        rule=rule.id,
        title=rule.title,
        severity=rule.severity,
        confidence=rule.confidence,
        message=rule.message.render(facts, rule.param_values, suggest),
        why=rule.why,
        remedy=rule.remedy,
        covers=rule.covers,
        cause=rule.cause,
        also=rule.also,
        facts=_read(rule, facts),
        suggest=suggest,
        where=None if where is None else _place(rule, where),
        run=run,
        explains=rule.explains,
        from_log=rule.needs_log,
        figures=rule.figures,
        seen=tuple(dict.fromkeys(span for name in rule.when.facts for span in facts.seen(name))),
    )


def _merit(rule: Rule, facts: Facts) -> Merit:
    claim = rule.merit
    assert claim is not None  # noqa: S101  the caller chose by it
    return Merit(
        rule=rule.id,
        loss=rule.loss,
        value=claim.value,
        low=claim.low,
        high=claim.high,
        unit=claim.unit,
        basis=claim.basis,
        against=claim.against,
        range=claim.range,
        one_low=claim.one_low,
        one_high=claim.one_high,
        message=rule.message.render(facts, rule.param_values, {}),
        covers=rule.covers,
        facts=_read(rule, facts),
    )


def _unknown(rule: Rule, facts: Facts, run: str) -> Unknown:
    lossless = bool(rule.applies_to) and facts.value("plan.loss") is None
    if lossless and rule.when.evaluate(facts) is not None:
        why = Unknowns(facts=(), undefined=())
    else:
        why = rule.when.unknowns(facts)
    names = why.facts
    if lossless and "plan.loss" not in names:
        names = ("plan.loss", *names)
    specs = fact_specs()
    absent = tuple(missing_of(specs[name].needs, facts) for name in names)
    missing, because = _explained(names, absent, why.undefined)
    return Unknown(rule=rule.id, severity=rule.severity, missing=missing, because=because, run=run)


@lru_cache(maxsize=4096)
def _explained(
    names: tuple[str, ...], absent: tuple[tuple[str, ...], ...], undefined: tuple[str, ...]
) -> tuple[tuple[str, ...], str]:
    """Return the missing inputs, and the sentence: facts that lack the same inputs share a clause."""
    waiting: dict[tuple[str, ...], list[str]] = {}
    for name, inputs in zip(names, absent, strict=True):
        waiting.setdefault(inputs, []).append(name)
    clauses = []
    for inputs, found in waiting.items():
        verb = "is" if len(found) == 1 else "are"
        if not inputs:
            clauses.append(f"{_listed(found)} {verb} not defined here")
        elif list(inputs) == found:
            clauses.append(f"{_listed(found)} {verb} not given")
        else:
            clauses.append(f"{_listed(found)} {'needs' if verb == 'is' else 'need'} {_listed(inputs)}")
    missing = dict.fromkeys(need for inputs in absent for need in inputs)
    return tuple(missing), "; ".join([*clauses, *undefined])


def missing_of(needs: tuple[str, ...], facts: Facts) -> tuple[str, ...]:
    """Return which of the inputs that an unknown fact needs were not given; empty where it is undefined."""
    if facts.family("log") is None:
        needs = tuple(dict.fromkeys("log" if need.startswith("log.") else need for need in needs))
    absent = tuple(need for need in needs if not _given(need, facts))
    if not absent and "labels" in needs and facts.value("labels.rows") is None:
        return ("labels",)  # a stated prevalence stands in for the labels, but was not enough here
    return absent


def _given(need: str, facts: Facts) -> bool:
    if "." in need:
        return facts.value(need) is not None
    return facts.family(need) is not None


def _read(rule: Rule, facts: Facts) -> dict[str, Any]:
    values = {name: facts.value(name) for name in rule.facts}
    return {name: value for name, value in values.items() if value is not None and value == value}  # noqa: PLR0124  NaN


def _place(rule: Rule, where: Places) -> Location | None:
    """Return where the plan says what the rule objects to: what to change, else what was read."""
    find = where if callable(where) else where.get
    for name in rule.pointers:
        if (place := find(name)) is not None:
            return place
    return None


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
