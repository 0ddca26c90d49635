"""The corridor: evidence → facts → judgement, gathered into the one record that reports read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from imbalance_doctor.engine.base import SEVERITIES, Finding, Judgement, Unknown
from imbalance_doctor.engine.judge import judge
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.evidence import FROM_OPTIONS, LabelCounts, PlannedRun, TrainingPlan
from imbalance_doctor.facts.base import Evidence, Facts, measure
from imbalance_doctor.recommend.base import Recommendation


@dataclass(frozen=True, kw_only=True)
class Suppressed:
    """A finding the user has accepted, with the reason given for it."""

    finding: Finding
    reason: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Exit:
    """The exit code and the sentence that explains it.

    Attributes
    ----------
    fail_on, strict
        The policy it follows from: the lowest severity that fails (or ``never``), and whether a rule
        that lacks an input fails too.
    """

    code: int
    why: str
    fail_on: str = "error"
    strict: bool = False


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Everything one command found out: the single argument of every report format.

    Attributes
    ----------
    subject
        What was judged, as file names.
    facts
        Of the first run (the labels are the same for all).
    findings, unknown, merits
        Of all runs, errors first.
    passed, not_applicable
        Rule ids.
    suppressed
        Findings accepted in the configuration or a baseline; not in `findings`.
    stale
        Suppressions and baseline entries that match nothing any more, or have expired.
    assumptions
        What was assumed rather than given, as sentences.
    """

    subject: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    findings: tuple[Finding, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    passed: tuple[str, ...] = ()
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    recommendation: Recommendation | None = None
    suppressed: tuple[Suppressed, ...] = ()
    stale: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    exit: Exit = Exit(code=0, why="no findings")


def diagnose(
    rules: Iterable[Rule], *, labels: LabelCounts | None = None, runs: Sequence[PlannedRun] = ()
) -> Diagnosis:
    """Judge each planned run against the labels.

    Parameters
    ----------
    rules
        The rules to judge by. Selection rules only grade losses for `recommend` and are left out.
    labels
        Label counts, when given.
    runs
        The planned runs; none is judged as one plan of which nothing is known.
    """
    rules = [rule for rule in rules if rule.merit is None]
    runs = runs or (PlannedRun(plan=TrainingPlan()),)
    several = len(runs) > 1
    judgements: list[Judgement] = []
    measured: list[Facts] = []
    assumptions = list(labels.assumptions if labels else ())
    for run in runs:
        plan, assumed = run.completed()
        facts = measure(
            Evidence(labels=labels, plan=plan), reuse=measured[0] if measured and labels else None
        )
        judgement = judge(rules, facts, run=run.name if several else "", where=run.where)
        unknown = tuple(_explained(u, run.unreadable) for u in judgement.unknown)
        judgements.append(replace(judgement, unknown=unknown))
        measured.append(facts)
        if labels is not None and plan.prevalence is not None:
            assumptions.append(f"the labels' own prevalence counts, not the stated {plan.prevalence:g}")
        if assumed:
            defaults = ", ".join(f"{name} {getattr(plan, name)}" for name in assumed)
            assumptions.append(f"defaults{f' of {run.name}' if several else ''}: {defaults}")
    fired = {f.rule for j in judgements for f in j.findings}
    open_rules = {u.rule for j in judgements for u in j.unknown}
    passed = {p.rule for j in judgements for p in j.passed} - fired - open_rules
    apart = {n.rule: n.because for j in judgements for n in j.not_applicable}
    return Diagnosis(
        subject=tuple(
            dict.fromkeys(
                [*([labels.source] if labels else []), *(r.name for r in runs if r.name != FROM_OPTIONS)]
            )
        ),
        facts=measured[0],
        findings=tuple(
            sorted((f for j in judgements for f in j.findings), key=lambda f: SEVERITIES.index(f.severity))
        ),
        unknown=tuple(u for j in judgements for u in j.unknown),
        passed=tuple(sorted(passed)),
        not_applicable={r: why for r, why in apart.items() if r not in fired | open_rules | passed},
        assumptions=tuple(dict.fromkeys(assumptions)),
    )


def _explained(unknown: Unknown, unreadable: Mapping[str, str]) -> Unknown:
    """Add why a field that the script sets could not be read."""
    reasons = [
        f"{name} is set, but {unreadable[field]}"
        for name in unknown.missing
        if (field := name.removeprefix("plan.")) in unreadable
    ]
    return replace(unknown, because="; ".join([unknown.because, *reasons])) if reasons else unknown
