"""Findings → ranked causes and a verdict. The causes and every number used here are in ``causes.yaml``.

Each finding adds to the log-odds of the cause its rule names: more where its confidence is higher, less where
only the plan or the labels speak. A finding that another one explains is hidden under it and lends it part of
its weight, but many symptoms cannot drive a cause up: they have other causes too. A rule may name further
causes of what it sees (``also:``); they get a share of its weight while nothing explains it. The score of a
cause is its share of the evidence, with one more share for "none of them":

    score(c) = exp(w(c)) / (1 + sum over causes of exp(w))

Below the causes that findings name stand those that they do not, where labelled runs had them on which the
same rules fired (`imbalance_doctor.engine.odds`).

The confidence of a finding is what its rule claims, or less where that was measured (`settled`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

from imbalance_doctor.engine.base import Confidence, Finding, Severity
from imbalance_doctor.engine.expression import Expression, parse
from imbalance_doctor.engine.figures import Figures
from imbalance_doctor.engine.loader import CONFIDENCES
from imbalance_doctor.engine.odds import Odds
from imbalance_doctor.engine.rulebook import odds as counted_odds
from imbalance_doctor.facts._numbers import wilson
from imbalance_doctor.facts.base import Facts

__all__ = [
    "Cause",
    "Explained",
    "Verdict",
    "alarming",
    "borne_out",
    "catalogue",
    "explain",
    "rank",
    "settled",
    "verdict",
]

Verdict = Literal["healthy", "faulty", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A cause the tool can name."""

    what: str
    covers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A cause that findings speak for.

    Attributes
    ----------
    id, what
        Id and one-sentence description in ``causes.yaml``.
    score
        Share of the evidence, 0-1.
    findings
        Those that speak for it, the weightiest first; symptoms it explains come last. Empty where none names
        it, but labelled runs had it on which the same rules fired.
    remedy
        Of the weightiest finding whose first cause it is; empty where there is none.
    """

    id: str
    what: str
    score: float
    confidence: Confidence
    findings: tuple[Finding, ...]
    remedy: str = ""
    covers: tuple[str, ...] = ()

    @property
    def suggest(self) -> Mapping[str, Any]:
        """Values of a plan that mend it: of its weightiest finding, where that names it first."""
        first = self.findings[0] if self.findings else None
        return first.suggest if first is not None and first.cause == self.id else {}


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Findings, and which of them another one explains.

    Attributes
    ----------
    by
        Id of the explaining rule, by id of the rule it explains.
    """

    findings: tuple[Finding, ...]
    by: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[Finding, ...]:
        """Those that no other one explains."""
        return tuple(f for f in self.findings if f.rule not in self.by)


@cache
def _document() -> Mapping[str, Any]:
    import yaml

    path = resources.files("imbalance_doctor") / "causes.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  safe
    return loaded


@cache
def catalogue() -> Mapping[str, Known]:
    """Return every cause by id."""
    return {
        name: Known(what=entry["what"], covers=tuple(entry["covers"]))
        for name, entry in _document()["causes"].items()
    }


@cache
def _condition(section: str) -> Expression:
    said = _document()[section]
    return parse(said["when"], {name: param["value"] for name, param in said["params"].items()})


def _number(section: str, name: str) -> float:
    return float(_document()[section][name]["value"])


def borne_out(claim: Confidence, severity: Severity, figures: Figures | None) -> tuple[Confidence, bool]:
    """Return the confidence that measured figures leave of a claim, and whether they can tell.

    A claim is lowered where even the upper end of the interval of the rule's precision does not reach it.
    It stands where too little was measured: few firings, or no run of the rule's cause.
    """
    if figures is None or not figures.right:
        return claim, False
    right, firings = figures.precision(severity)
    if firings < _number("measured", "firings"):
        return claim, False
    _, most = wilson(right, firings)
    allowed = next((c for c in CONFIDENCES[:-1] if most >= _number("measured", c)), CONFIDENCES[-1])
    return max(claim, allowed, key=CONFIDENCES.index), True


def alarming(severity: Severity, figures: Figures | None) -> bool:
    """Return whether a rule was measured to raise its alarm on too many clean runs."""
    if figures is None or severity == "note":
        return False
    least, _ = wilson(*figures.alarms)
    return bool(least > _number("measured", "clean"))


def settled(finding: Finding) -> Finding:
    """Return a finding with the confidence that its rule's figures leave of its claim."""
    confidence, _ = borne_out(finding.confidence, finding.severity, finding.figures)
    if confidence == finding.confidence:
        return finding
    return replace(finding, confidence=confidence, claimed=finding.confidence)


def explain(findings: Sequence[Finding]) -> Explained:
    """Hide each finding under the first one that explains it.

    A finding that is itself explained hands on what it explains.
    """
    by: dict[str, str] = {}
    fired = {f.rule for f in findings}
    for finding in findings:
        for rule in finding.explains:
            if rule in fired and rule != finding.rule:
                by.setdefault(rule, finding.rule)
    tops = {rule: top for rule in by if (top := _top(rule, by)) is not None}
    return Explained(findings=tuple(findings), by=tops)


def _top(rule: str, by: Mapping[str, str]) -> str | None:
    """Return the last rule of a chain of explanations; None where the chain is a circle."""
    passed = {rule}
    while (rule := by[rule]) in by:
        if rule in passed:
            return None
        passed.add(rule)
    return rule


def _weight(finding: Finding) -> float:
    weight = _number("weights", finding.confidence)
    return weight if finding.from_log else weight * _number("weights", "unseen")


def rank(explained: Explained, counted: Odds | None = None) -> tuple[Cause, ...]:
    """Rank the causes that findings speak for, the likeliest first.

    Parameters
    ----------
    explained
        Findings of one run.
    counted
        How rules fired on labelled runs; what ships where it is not given.

    Returns
    -------
    tuple of Cause
        Empty when no finding names one.
    """
    by_rule = {f.rule: f for f in explained.findings}
    found: dict[str, list[tuple[float, Finding]]] = {}
    lent: dict[str, float] = {}
    for finding in explained.findings:
        top = explained.by.get(finding.rule)
        cause = finding.cause if top is None else by_rule[top].cause
        if not cause:
            continue
        found.setdefault(cause, []).append((_weight(finding), finding))
        if top is None:
            for other, share in finding.also.items():
                found.setdefault(other, []).append((share * _weight(finding), finding))
        if top is not None:
            lent[cause] = lent.get(cause, 0.0) + _weight(finding)
    odds = {}
    for name, votes in found.items():
        own = sum(weight for weight, finding in votes if finding.rule not in explained.by)
        odds[name] = math.exp(own + _number("weights", "explained") * min(lent.get(name, 0.0), own))
    total = 1 + sum(odds.values())
    fired = [f for f in explained.findings if f.from_log]
    start = _number("counted", "unnamed") * total
    unnamed = _witnessed(start, fired, counted_odds() if counted is None else counted, named=found.keys())
    share = max(1.0, sum(unnamed.values()))  # together they take what is left for "none of them"
    for name, value in unnamed.items():
        odds[name], found[name] = value / share, []
    causes = []
    for name, votes in found.items():
        votes.sort(key=lambda vote: (vote[1].rule in explained.by, -vote[0]))
        score = odds[name] / total
        known = catalogue().get(name)
        causes.append(
            Cause(
                id=name,
                what=known.what if known else votes[0][1].title,
                score=score,
                confidence=_confidence(score),
                findings=tuple(finding for _, finding in votes),
                remedy=next((f.remedy for _, f in votes if f.cause == name), ""),
                covers=known.covers if known else (),
            )
        )
    return tuple(sorted(causes, key=lambda cause: (-cause.score, cause.id)))


def _witnessed(
    start: float, fired: Sequence[Finding], counted: Odds, *, named: Collection[str]
) -> dict[str, float]:
    """Return the odds of causes that no finding names, but labelled runs had on which the same rules fired.

    Every finding shifts them from where they start.
    """
    fired = [f for f in fired if counted.fires(f.rule) >= _number("counted", "fires")]
    found = {}
    seen = counted.witnessed((f.rule for f in fired), _number("counted", "witnessed"))
    for cause in sorted((seen & catalogue().keys()).difference(named)):
        shift = sum(counted.shift(f.rule, cause, runs=_number("counted", "runs")) for f in fired)
        if shift > 0:
            found[cause] = start * math.exp(_number("counted", "share") * shift)
    return found


def _confidence(score: float) -> Confidence:
    if score >= _number("confidence", "high"):
        return "high"
    return "medium" if score >= _number("confidence", "medium") else "low"


def verdict(findings: Iterable[Finding], facts: Facts) -> tuple[Verdict, str]:
    """Judge one run: faulty when its log shows harm, healthy when enough was seen and nothing found.

    Returns
    -------
    tuple
        The verdict, and why it is not ``healthy`` or ``faulty`` where it is neither.
    """
    if any(f.from_log and f.severity != "note" for f in findings):
        return "faulty", ""
    if _condition("unfinished").evaluate(facts):
        return "cannot tell", f"the log ends {facts.value('training.progress'):.0%} into the planned run"
    enough = _condition("healthy").evaluate(facts)
    if enough and _condition("doubt").evaluate(facts):
        end = facts.value("training.metric_end")
        return "cannot tell", f"the metric ends at {end:.3f}; nothing here tells whether the data give more"
    if enough:
        return "healthy", ""
    loss, validation = (facts.value(f"training.{name}_points") or 0 for name in ("loss", "validation"))
    return "cannot tell", f"the log holds {loss:g} loss values and {validation:g} of a validation metric"
