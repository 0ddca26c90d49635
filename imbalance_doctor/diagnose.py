"""The corridor: evidence → facts → judgement, gathered into the one record that reports read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from imbalance_doctor.engine.base import SEVERITIES, Finding, Judgement, Unknown
from imbalance_doctor.engine.judge import judge
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.evidence import FROM_OPTIONS, LabelCounts, Location, PlannedRun, TrainingPlan
from imbalance_doctor.facts.base import Evidence, Facts, measure
from imbalance_doctor.recommend.base import Recommendation


@dataclass(frozen=True, kw_only=True)
class Suppressed:
    """A finding the user has accepted, with the reason given for it."""

    finding: Finding
    reason: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A plan field that a script or plan sets to something that could not be read.

    Attributes
    ----------
    field
        Its name in the plan.
    because
        Why it could not be read, as ``'cfg.bs' is only known when the script runs``.
    run
        Name of the planned run, empty when there is only one.
    where
        The place that sets it, when known.
    """

    field: str
    because: str
    run: str = ""
    where: Location | None = None


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
    unread
        Plan fields that are set, but not known.
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
    unread: tuple[Unread, ...] = ()
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
    defaults: dict[str, list[str]] = {}
    unread: list[Unread] = []
    for run in runs:
        plan, assumed = run.completed()
        name = run.name if several else ""
        facts = measure(
            Evidence(labels=labels, plan=plan), reuse=measured[0] if measured and labels else None
        )
        judgement = judge(rules, facts, run=name, where=run.place)
        unknown = tuple(_explained(u, run.unreadable) for u in judgement.unknown)
        judgements.append(replace(judgement, unknown=unknown))
        measured.append(facts)
        if labels is not None and plan.prevalence is not None:
            assumptions.append(f"the labels' own prevalence counts, not the stated {plan.prevalence:g}")
        for field_ in assumed:
            defaults.setdefault(f"{field_} {getattr(plan, field_)}", []).append(run.name)
        assumptions += [
            f"{field_} {getattr(plan, field_)} ({source})" for field_, source in run.assumed.items()
        ]
        if run.unused:
            assumptions.append(f"not used by {plan.loss or 'the metric'}: {', '.join(run.unused)}")
        unread += [
            Unread(field=field_, because=because, run=name, where=run.where.get(field_))
            for field_, because in run.unreadable.items()
        ]
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
        assumptions=tuple(dict.fromkeys([*assumptions, *_shared(defaults, len(runs))])),
        unread=tuple(unread),
    )


def _shared(defaults: Mapping[str, Sequence[str]], runs: int) -> list[str]:
    """Say which defaults were assumed; what several runs share is said once."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for value, names in defaults.items():
        groups.setdefault(tuple(names), []).append(value)
    said = []
    for names, values in groups.items():
        of = "" if runs == 1 else " of all" if len(names) == runs else f" of {' and '.join(names)}"
        said.append(f"defaults{of}: {', '.join(values)}")
    return said


def _explained(unknown: Unknown, unreadable: Mapping[str, str]) -> Unknown:
    """Add why a field that the script sets could not be read."""
    reasons = [
        f"{name} is set, but {unreadable[field]}"
        for name in unknown.missing
        if (field := name.removeprefix("plan.")) in unreadable
    ]
    return replace(unknown, because="; ".join([unknown.because, *reasons])) if reasons else unknown
