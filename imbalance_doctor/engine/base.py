"""The results of judging: each rule ends as exactly one of four."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from imbalance_doctor.engine.figures import Figures
from imbalance_doctor.evidence import Location
from imbalance_doctor.facts.base import Span

Severity = Literal["error", "warning", "note"]
Confidence = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
PLAIN = "plain BCE or CE"
INTERVAL = "95 % interval"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A rule that fired.

    Attributes
    ----------
    rule, title
        Id and title of the rule.
    message
        One sentence with this run's numbers.
    facts
        Every fact the rule looked at, by dotted name.
    suggest
        Values computed by the rule's ``suggest:``, by plan field.
    where
        The place in a config or script to point at, when the plan came from one.
    run
        Name of the planned run it speaks of, empty when there is only one.
    also
        Share of its weight with which it speaks for further causes, by id.
    explains
        Ids of rules whose findings are symptoms of this one.
    from_log
        Whether the condition read the training log, so that the finding says what did happen.
    seen
        Where in the log, most telling first.
    figures
        On how many labelled runs the rule fired, where that was measured.
    claimed
        The confidence that the rule claims, where it was measured to be worth less.
    """

    rule: str
    title: str
    severity: Severity
    confidence: Confidence
    message: str
    why: str = ""
    remedy: str = ""
    covers: tuple[str, ...] = ()
    cause: str = ""
    also: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    suggest: Mapping[str, Any] = field(default_factory=dict)
    where: Location | None = None
    run: str = ""
    explains: tuple[str, ...] = ()
    from_log: bool = False
    seen: tuple[Span, ...] = ()
    figures: Figures | None = None
    claimed: Confidence | None = None


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A rule that was checked and stays silent."""

    rule: str


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A rule that could not be checked.

    Attributes
    ----------
    missing
        Inputs that would settle it, as ``labels`` or ``plan.batch_size``.
    because
        One sentence: the facts that are missing, or undefined and why.
    """

    rule: str
    severity: Severity
    missing: tuple[str, ...]
    because: str
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """A rule for another loss or another kind of problem."""

    rule: str
    because: str


@dataclass(frozen=True, kw_only=True)
class Merit:
    """A selection rule that fired: what a loss is worth on this problem.

    Attributes
    ----------
    loss
        The loss it speaks of.
    value, low, high
        Expected difference to `against` in `unit`, with the ends that `range` names.
    basis
        ``measured`` or ``documented`` (a claim of the source documents nobody has measured here).
    against
        What the loss is compared with.
    range
        What `low` to `high` is: an interval, the spread of a few results, or a guess.
    one_low, one_high
        Between what a single data set is expected to come out, where that was measured: `low` to `high` is
        about the mean of many.
    """

    rule: str
    loss: str
    value: float
    low: float
    high: float
    unit: str
    basis: Literal["measured", "documented"]
    message: str
    against: str = PLAIN
    range: str = INTERVAL
    one_low: float | None = None
    one_high: float | None = None
    covers: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All results for one set of facts."""

    findings: tuple[Finding, ...] = ()
    passed: tuple[Passed, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    not_applicable: tuple[NotApplicable, ...] = ()
    merits: tuple[Merit, ...] = ()
