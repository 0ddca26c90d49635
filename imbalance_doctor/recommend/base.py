"""What a recommendation is: chosen values, each with its interval and its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imbalance_doctor.engine.base import Finding, Merit
from imbalance_doctor.evidence import TrainingPlan


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One recommended value.

    Attributes
    ----------
    value
        The value; None when the parameter is best left unset.
    low, high
        The interval in which it may move while no error or warning appears; None where unbounded or
        where the parameter is not a number.
    because
        Reasons, one sentence each; those that name a rule start with its id and a colon.
    """

    value: Any
    low: float | None = None
    high: float | None = None
    because: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A loss that was not chosen, with the plan it would need and why it was passed over."""

    loss: str
    why_not: str
    plan: TrainingPlan | None = None
    bytes: float | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """The answer that would change the advice most."""

    fields: tuple[str, ...]
    text: str
    effect: str


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The advice for one set of labels.

    Attributes
    ----------
    feasible
        False when some rule cannot be silenced; `blockers` then name it.
    choices
        By plan field, in the order to print them; always holds ``loss``, ``queue_size`` and
        ``max_pool_size`` when feasible.
    plan
        The whole plan, which `check` reads back without a finding.
    gain
        What the choice of loss is worth here; None where nothing is known.
    expected_gain
        The same in a sentence, with its uncertainty.
    code
        Code to paste, by title.
    blockers, remedies
        When infeasible: the findings that remain, and what would lift each.
    """

    feasible: bool
    plan: TrainingPlan
    choices: Mapping[str, Choice] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()
    merits: tuple[Merit, ...] = ()
    gain: Merit | None = None
    expected_gain: str = ""
    assumed: tuple[str, ...] = ()
    question: Question | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    blockers: tuple[Finding, ...] = ()
    remedies: tuple[str, ...] = ()
