"""The corridor: evidence → facts → judgement, gathered into the one record that reports read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imbalance_doctor.engine.base import Finding, Judgement, Unknown
from imbalance_doctor.evidence import LabelCounts, PlannedRun
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
    """The exit code and the sentence that explains it."""

    code: int
    why: str


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
