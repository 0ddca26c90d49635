"""The corridor: evidence → facts → judgement, gathered into the one record that reports read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from imbalance_doctor.causes import Cause, Verdict, explain, rank, settled, verdict
from imbalance_doctor.engine.base import SEVERITIES, Finding, Judgement, Unknown
from imbalance_doctor.engine.judge import judge, order
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.evidence import (
    FROM_OPTIONS,
    LabelCounts,
    Location,
    PlannedRun,
    ScoreDump,
    TrainingLog,
    TrainingPlan,
)
from imbalance_doctor.facts.base import Evidence, Facts, measure
from imbalance_doctor.recommend.base import Recommendation

if TYPE_CHECKING:
    from imbalance_doctor.sources.logs.base import LogReading

_ABSENT = {
    "log": "it judges a training log: give one to `diagnose`",
    "scores": "it judges a score dump: give one as --scores",
}
"""Inputs without which a rule has nothing to say at all, instead of an unknown."""


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
class TrainedRun:
    """What one training log shows.

    Attributes
    ----------
    verdict, because
        ``healthy``, ``faulty`` or ``cannot tell``, and why it cannot be told.
    causes
        Ranked, the likeliest first; of a run that is not faulty, those the log itself speaks for.
    explained
        Id of the explaining rule, by id of each rule whose finding is a symptom of another.
    """

    log: TrainingLog
    name: str
    facts: Facts
    findings: tuple[Finding, ...]
    verdict: Verdict
    because: str = ""
    causes: tuple[Cause, ...] = ()
    explained: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, log: TrainingLog, name: str, facts: Facts, findings: tuple[Finding, ...]) -> Self:
        """Draw the conclusions from one run's findings."""
        explained = explain(findings)
        said, because = verdict(findings, facts)
        causes = rank(explained)
        if said != "faulty":  # what the plan or the labels say is no sign of what this run did
            causes = tuple(cause for cause in causes if any(f.from_log for f in cause.findings))
        if log.replayed and said == "cannot tell":
            because = "the loss shows no fault on these scores; a replay trains nothing"
        return cls(
            log=log,
            name=name,
            facts=facts,
            findings=findings,
            verdict=said,
            because=because,
            causes=causes,
            explained=explained.by,
        )

    def without(self, accepted: Iterable[Finding]) -> Self:
        """Return the conclusions that are left when some findings are accepted."""
        gone = {id(finding) for finding in accepted}
        left = tuple(finding for finding in self.findings if id(finding) not in gone)
        if len(left) == len(self.findings):
            return self
        rest = self.of(self.log, self.name, self.facts, left)
        if self.verdict == "faulty" and rest.verdict != "faulty":  # accepted is not healed
            return replace(rest, verdict="faulty", because="what shows it is suppressed or in the baseline")
        return rest


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
    trained
        One for each run of the training logs.
    readings
        What was understood of each log file, also of those that hold no run.
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
    trained: tuple[TrainedRun, ...] = ()
    readings: tuple[LogReading, ...] = ()
    exit: Exit = Exit(code=0, why="no findings")


def diagnose(
    rules: Iterable[Rule],
    *,
    labels: LabelCounts | None = None,
    runs: Sequence[PlannedRun] = (),
    logs: Sequence[TrainingLog] = (),
    scores: ScoreDump | None = None,
) -> Diagnosis:
    """Judge each planned run against labels and scores, and each training log against all of them.

    Parameters
    ----------
    rules
        The rules to judge by. Selection rules only grade losses for `recommend` and are left out.
    labels
        Label counts, when given.
    runs
        The planned runs; none is judged as one plan of which nothing is known.
    logs
        What the runs wrote. All of them followed the one plan, where there is one.
    scores
        A dump of scores that the plan led to, or is for. Where the plan does not state how the scores
        are spread, the dump does.

    Raises
    ------
    ValueError
        If there are logs and several planned runs.
    """
    runs = runs or (PlannedRun(plan=TrainingPlan()),)
    if logs and len(runs) > 1:
        raise ValueError(f"logs: expected at most one plan, but got {len(runs)}")
    rules = [rule for rule in rules if rule.merit is None]
    absent = [name for name, given in (("log", bool(logs)), ("scores", scores is not None)) if not given]
    apart = {rule.id: _ABSENT[name] for rule in rules for name in absent if name in rule.inputs}
    rules = [rule for rule in rules if rule.id not in apart]
    several = len(runs) > 1 or len(logs) > 1
    judgements: list[Judgement] = []
    measured: list[Facts] = []
    trained: list[TrainedRun] = []
    assumptions = [*(labels.assumptions if labels else ()), *(scores.assumptions if scores else ())]
    defaults: dict[str, list[str]] = {}
    unread: list[Unread] = []
    for run, log in [(run, None) for run in runs] if not logs else [(runs[0], log) for log in logs]:
        plan, assumed = run.completed()
        name = _name(run, log) if several else ""
        if scores is not None:
            plan, told = _spread(plan, scores)
            assumptions += told
        facts = measure(
            Evidence(labels=labels, plan=plan, log=log, scores=scores),
            reuse=measured[0] if measured and labels else None,
        )
        judgement = judge(rules, facts, run=name, where=run.place)
        unknown = tuple(_explained(u, run.unreadable) for u in judgement.unknown)
        findings = tuple(sorted(map(settled, judgement.findings), key=order))
        judgement = replace(judgement, unknown=unknown, findings=findings)
        if log is not None:
            trained.append(TrainedRun.of(log, name, facts, judgement.findings))
        judgements.append(judgement)
        measured.append(facts)
        if log is not None and log is not logs[0]:
            continue  # the plan is the same for all
        if labels is not None and plan.prevalence is not None:
            assumptions.append(f"the labels' own prevalence counts, not the stated {plan.prevalence:g}")
        for field_ in assumed if log is None or run.plan.known() else ():
            defaults.setdefault(f"{field_} {getattr(plan, field_)}", []).append(run.name)
        assumptions += [
            f"{field_} {getattr(plan, field_)} ({source})" for field_, source in run.assumed.items()
        ]
        if run.unused:
            assumptions.append(f"not used by {plan.loss or 'the metric'}: {', '.join(run.unused)}")
        unread += [
            Unread(
                field=field_,
                because=because,
                run=name if len(runs) > 1 else "",
                where=run.where.get(field_),
            )
            for field_, because in run.unreadable.items()
        ]
    fired = {f.rule for j in judgements for f in j.findings}
    open_rules = {u.rule for j in judgements for u in j.unknown}
    passed = {p.rule for j in judgements for p in j.passed} - fired - open_rules
    apart |= {n.rule: n.because for j in judgements for n in j.not_applicable}
    return Diagnosis(
        subject=tuple(
            dict.fromkeys(
                [
                    *(log.source for log in logs if log.source),
                    *([labels.source] if labels else []),
                    *([scores.source] if scores and scores.source else []),
                    *(r.name for r in runs if r.name != FROM_OPTIONS and r.name),
                ]
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
        trained=tuple(trained),
    )


def _name(run: PlannedRun, log: TrainingLog | None) -> str:
    """Return what tells this run from the others of the diagnosis."""
    return run.name if log is None else " ".join(filter(None, (log.source, log.name)))


def _spread(plan: TrainingPlan, scores: ScoreDump) -> tuple[TrainingPlan, list[str]]:
    """Take from a dump what the plan does not say about the scores."""
    facts = measure(Evidence(plan=plan, scores=scores))
    found = {
        name: value
        for name, fact in (("score_std", "scores.std"), ("score_absmax", "scores.absmax"))
        if getattr(plan, name) is None and (value := facts.value(fact)) is not None
    }
    return plan.replace(**found), [f"{name} {value:.3g} (of the score dump)" for name, value in found.items()]


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
