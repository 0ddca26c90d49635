"""Rules, written down: the list of them, one in full, and how their own tests ended.

JSON of a rule::

    {"id", "title", "severity", "confidence", "family", "path", "applies_to", "covers",
     "when", "params": {"least": {"value", "unit", "why"}}, "message", "why", "remedy",
     "suggest": {"queue_size": "..."}, "verdict", "cause", "also": {"cause": share}, "reproduce",
     "false_alarms", "references", "facts": ["pool.expected_positives"],
     "merit": null or {"loss", "value", "low", "high", "unit", "basis",
     "against", "range"},
     "measured": null or {"right", "fires_right", "clean", "fires_clean", "fires", "fires_harmless",
     "detection", "alarms", "precision", each with "..._low" and "..._high",
     "confidence": what is left of the claim},
     "odds": null or {"fires", "causes": {"cause": runs}}}

``rules list`` gives ``{"version": 1, "rules": [...]}``, ``rules explain`` ``{"version": 1, "rule": {...}}``
with ``"examples": [{"name", "facts", "expect"}]`` added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from imbalance_doctor.causes import borne_out
from imbalance_doctor.engine.examples import RuleTest
from imbalance_doctor.engine.loader import MeritClaim, Rule
from imbalance_doctor.engine.rulebook import odds
from imbalance_doctor.facts.base import fact_specs
from imbalance_doctor.gate import option
from imbalance_doctor.report._format import clean, paragraphs, pasteable, plural, quantity
from imbalance_doctor.report._markdown import bullets, code, escape, fence, table
from imbalance_doctor.report._measured import of_rule
from imbalance_doctor.report._page import SEVERITY_STYLES, Page
from imbalance_doctor.report.facts_table import check_format
from imbalance_doctor.report.json import dump


def render_list(
    rules: Iterable[Rule],
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
    verbose: bool = False,
) -> str:
    """Write the list of rules by family; `verbose` adds what each covers.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    members = sorted(rules, key=lambda rule: (rule.family, rule.id))
    if format == "json":
        return dump({"version": 1, "rules": [_document(rule) for rule in members]})
    columns = ("rule", "severity", "confidence", "what is wrong", *(("covers",) if verbose else ()))

    def cells(rule: Rule) -> tuple[str, ...]:
        kind = "selection" if rule.merit is not None else rule.severity
        covers = (", ".join(rule.covers),) if verbose else ()
        return (rule.id, kind, rule.confidence, rule.title, *covers)

    if format == "markdown":
        rows = [(code(name), *map(escape, rest)) for name, *rest in map(cells, members)]
        return table(columns, rows) + "\n"
    page = Page(color=color, width=width)
    for family, group in groupby(members, key=lambda rule: rule.family):
        rows_ = [cells(rule) for rule in group]
        page.heading(family, plural(len(rows_), "rule"))
        page.table(columns, rows_)
    page.space()
    page.line(plural(len(members), "rule"), "; `imbalance-doctor rules explain ID` tells all about one.")
    return page.finish()


def render_rule(
    rule: Rule,
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
    verbose: bool = False,  # noqa: ARG001
) -> str:
    """Write everything about one rule.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    if format == "json":
        return dump({"version": 1, "rule": _document(rule, examples=True)})
    if format == "markdown":
        return _markdown(rule)
    page = Page(color=color, width=width)
    page.unbroken((clean(rule.id), SEVERITY_STYLES[rule.severity]), (f"  {clean(rule.path)}", "dim"))
    page.space()
    for key, bodies in _keys(rule):
        page.labelled(key, *bodies)
    if rule.merit is None:
        page.space()
        page.labelled("measured", *of_rule(rule))
    if rule.examples:
        page.heading("examples:")
        page.table(("expect", "name", "facts"), _examples(rule))
    if rule.facts:
        page.heading("The facts it reads")
        page.table(("fact", "unit", "what it is", "given by"), _facts(rule))
    return page.finish()


def render_tests(tests: Sequence[RuleTest], *, color: bool = False, width: int = 100) -> str:
    """Write how the tests of rules ended: each rule that fails with its reasons, then the count."""
    page = Page(color=color, width=width)
    for test in tests:
        if test.passed:
            continue
        page.space()
        page.unbroken(("FAILED ", "bold red"), (clean(test.rule), "bold"), (f"  {clean(test.path)}", "dim"))
        if test.error:
            page.line(clean(test.error), indent=2)
        for result in test.results:
            if not result.passed:
                at = f"line {result.line}, " if result.line else ""
                page.line(f"{at}{clean(result.example)}:", indent=2)
                page.line(f"expected {clean(result.expected)}", indent=4)
                page.line(f"but got  {clean(result.got)}", indent=4)
        for gap in test.gaps:
            page.line(clean(gap), indent=2)
        for mutant in test.survivors:
            page.line(f"no example notices this change: {clean(mutant)}", indent=2)
    failed = sum(not test.passed for test in tests)
    examples = sum(len(test.results) for test in tests)
    page.space()
    page.line(
        (f"{failed} failed", "bold red") if failed else ("all passed", "bold green"),
        f": {plural(len(tests), 'rule')}, {plural(examples, 'example')}",
    )
    return page.finish()


def _keys(rule: Rule) -> list[tuple[str, list[str]]]:
    """Return what a rule file states, by its keys: the page is a template for rules of one's own."""
    params = [
        f"{clean(name)} = {quantity(p.value, p.unit)}: {clean(p.why)}" for name, p in rule.params.items()
    ]
    name = clean(rule.reproduce)
    keys: list[tuple[str, list[str]]] = [
        ("id", [clean(rule.id)]),
        ("title", [clean(rule.title)]),
        ("severity", [rule.severity if rule.merit is None else ""]),
        ("confidence", [rule.confidence]),
        ("applies_to", [", ".join(rule.applies_to)]),
        ("loss", [rule.loss]),
        ("merit", [_worth(rule.merit)] if rule.merit is not None else []),
        ("covers", [clean(", ".join(rule.covers))]),
        ("params", params),
        ("when", [clean(rule.when)]),
        ("message", [clean(rule.message)]),
        ("why", paragraphs(rule.why)),
        ("verdict", [clean(rule.verdict)]),
        ("cause", [clean(rule.cause)]),
        ("also", [clean(", ".join(f"{name} {share:g}" for name, share in rule.also.items()))]),
        ("reproduce", [f"{name} (`imbalance-doctor reproduce {name}`)"] if name else []),
        ("remedy", paragraphs(rule.remedy)),
        ("suggest", [f"{clean(name)} = {clean(expression)}" for name, expression in rule.suggest.items()]),
        ("false_alarms", list(map(clean, rule.false_alarms))),
        ("references", list(map(clean, rule.references))),
    ]
    return [(key, stated) for key, bodies in keys if (stated := [b for b in bodies if b])]


def _worth(merit: MeritClaim) -> str:
    """Say what a loss is worth, against what, and how sure that is."""
    return (
        f"{merit.value:+.3g} {clean(merit.unit)} against {clean(merit.against)}, {clean(merit.range)} "
        f"{merit.low:+.3g} to {merit.high:+.3g} ({merit.basis})"
    )


def _facts(rule: Rule) -> list[tuple[str, str, str, str]]:
    specs = fact_specs()
    return [
        (s.name, s.unit, s.help, ", ".join(map(option, s.needs)))
        for name in rule.facts
        if (s := specs.get(name)) is not None
    ]


def _examples(rule: Rule) -> list[tuple[str, str, str]]:
    return [
        (e.expect, e.name, ", ".join(f"{n} {pasteable(v)}" for n, v in e.facts.items()) or "none")
        for e in rule.examples
    ]


def _markdown(rule: Rule) -> str:
    blocks = [
        f"## {code(rule.id)}",
        f"From {code(rule.path)}.",
    ]
    for key, bodies in _keys(rule):
        if key == "when":
            blocks += [f"**{key}**:", fence(bodies[0])]
        elif len(bodies) > 1 and key in ("params", "false_alarms", "references", "suggest"):
            blocks += [f"**{key}**:", bullets(map(escape, bodies))]
        else:
            blocks += [f"**{key}**: {escape(bodies[0])}", *map(escape, bodies[1:])]
    if rule.merit is None:
        blocks.append(f"**measured**: {escape('; '.join(of_rule(rule)))}")
    if rule.examples:
        rows = [(escape(e), escape(n), escape(f)) for e, n, f in _examples(rule)]
        blocks += ["**examples**:", table(("expect", "name", "facts"), rows)]
    if rule.facts:
        facts = [(code(n), escape(u), escape(h), escape(o)) for n, u, h, o in _facts(rule)]
        blocks += ["The facts it reads:", table(("fact", "unit", "what it is", "given by"), facts)]
    return "\n\n".join(blocks) + "\n"


def _document(rule: Rule, *, examples: bool = False) -> Mapping[str, Any]:
    merit = rule.merit
    document: dict[str, Any] = {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity,
        "confidence": rule.confidence,
        "family": rule.family,
        "path": rule.path,
        "applies_to": rule.applies_to,
        "covers": rule.covers,
        "when": str(rule.when),
        "params": {n: {"value": p.value, "unit": p.unit, "why": p.why} for n, p in rule.params.items()},
        "message": str(rule.message),
        "why": rule.why,
        "remedy": rule.remedy,
        "suggest": {name: str(expression) for name, expression in rule.suggest.items()},
        "verdict": rule.verdict,
        "cause": rule.cause,
        "also": rule.also,
        "reproduce": rule.reproduce,
        "false_alarms": rule.false_alarms,
        "references": rule.references,
        "facts": rule.facts,
        "merit": (
            {
                "loss": rule.loss,
                "value": merit.value,
                "low": merit.low,
                "high": merit.high,
                "unit": merit.unit,
                "basis": merit.basis,
                "against": merit.against,
                "range": merit.range,
            }
            if merit is not None
            else None
        ),
        "odds": asdict(seen) if rule.builtin and (seen := odds().rules.get(rule.id)) else None,
        "measured": (
            None
            if rule.figures is None
            else {
                **rule.figures.document(rule.severity),
                "confidence": borne_out(rule.confidence, rule.severity, rule.figures)[0],
            }
        ),
    }
    if examples:
        document["examples"] = [{"name": e.name, "facts": e.facts, "expect": e.expect} for e in rule.examples]
    return document
