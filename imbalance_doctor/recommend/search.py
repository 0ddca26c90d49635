"""Finds plans under which no rule of severity error or warning fires, and how far each value may move."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from imbalance_doctor.engine.base import Finding, Judgement
from imbalance_doctor.engine.judge import judge
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.evidence import PLAN_FIELDS, LabelCounts, PlannedRun, TrainingPlan
from imbalance_doctor.facts.base import Evidence, Facts, measure

GATING = ("error", "warning")


class Bench:
    """Judges many plans for the same labels, each plan once.

    Parameters
    ----------
    rules
        All rules; those that gate and those that grade losses are told apart here.
    labels
        The labels, or None when only a prevalence is known.
    """

    def __init__(self, rules: Iterable[Rule], labels: LabelCounts | None) -> None:
        rules = tuple(rules)
        self.labels = labels
        self._gating = [rule for rule in rules if rule.merit is None and rule.severity in GATING]
        self._notes = [rule for rule in rules if rule.merit is None and rule.severity not in GATING]
        self._selection = [rule for rule in rules if rule.merit is not None]
        self._findings: dict[TrainingPlan, tuple[Finding, ...]] = {}
        self._facts: dict[TrainingPlan, Facts] = {}
        self._first: Facts | None = None

    def facts(self, plan: TrainingPlan) -> Facts:
        """Return the facts of one plan, documented defaults filled in."""
        if plan not in self._facts:
            completed, _ = PlannedRun(plan=plan).completed()
            facts = measure(Evidence(labels=self.labels, plan=completed), reuse=self._first)
            self._first = self._first or facts
            self._facts[plan] = facts
        return self._facts[plan]

    def findings(self, plan: TrainingPlan) -> tuple[Finding, ...]:
        """Return the errors and warnings of one plan."""
        if plan not in self._findings:
            self._findings[plan] = self._fired(plan, self._gating)
        return self._findings[plan]

    def notes(self, plan: TrainingPlan) -> tuple[Finding, ...]:
        """Return the notes of one plan."""
        return self._fired(plan, self._notes)

    def merits(self, plan: TrainingPlan) -> Judgement:
        """Judge what each loss is worth on this problem."""
        return judge(self._selection, self.facts(plan))

    def silent(self, plan: TrainingPlan) -> bool:
        """Return whether no error and no warning fires."""
        return not self.findings(plan)

    def _fired(self, plan: TrainingPlan, rules: Sequence[Rule]) -> tuple[Finding, ...]:
        facts = self.facts(plan)
        # Why a rule is unknown takes longer to tell than whether it fires: only those that fire are judged.
        fired = [
            r
            for r in rules
            if (not r.applies_to or plan.loss in r.applies_to) and r.when.evaluate(facts) is True
        ]
        return judge(fired, facts).findings


def cheapest_silent(
    bench: Bench, plan: TrainingPlan, moves: Sequence[tuple[str, Sequence[Any]]]
) -> TrainingPlan:
    """Return the first silent plan along `moves`, or the one with the fewest findings.

    Parameters
    ----------
    moves
        Fields that may change with their values, cheapest first. The first field is searched anew for
        every value of a later one; a later field moves only when the earlier ones alone do not help,
        and they then stay at the values that left the fewest findings.
    """
    if not moves:
        return plan
    (field, values), *later = moves
    best = _along(bench, plan, field, values)
    for other, others in later:
        if bench.silent(best):
            return best
        for value in others:
            candidate = _along(bench, best.replace(**{other: value}), field, values)
            if badness(bench, candidate) < badness(bench, best):
                best = candidate
            if bench.silent(best):
                return best
    return best


def _along(bench: Bench, plan: TrainingPlan, field: str, values: Sequence[Any]) -> TrainingPlan:
    best: TrainingPlan | None = None
    for value in values:
        candidate = plan.replace(**{field: value})
        if bench.silent(candidate):
            return candidate
        if best is None or badness(bench, candidate) < badness(bench, best):
            best = candidate
    return best or plan


def badness(bench: Bench, plan: TrainingPlan) -> tuple[int, int]:
    """Return the number of errors, and of all findings, to compare plans by."""
    found = bench.findings(plan)
    return sum(f.severity == "error" for f in found), len(found)


def least_silent(bench: Bench, plan: TrainingPlan, field: str) -> int:
    """Return the smallest whole value of `field`, up to the plan's own, that stays silent.

    The plan itself must be silent; silence is taken to reach down to one boundary, which is then
    found by bisection.
    """
    high = int(getattr(plan, field))
    low = int(PLAN_FIELDS[field].metadata["low"] or 0)
    if bench.silent(plan.replace(**{field: low})):
        return low
    while high - low > 1:
        middle = (low + high) // 2
        if bench.silent(plan.replace(**{field: middle})):
            high = middle
        else:
            low = middle
    return high


class Boundary:
    """One end of the interval in which a value may move.

    Attributes
    ----------
    value
        The last silent value; None when nothing bounds it on this side.
    findings
        What fires just beyond, told for a place a tenth further out, where rounded numbers speak.
    """

    def __init__(self, value: float | None, findings: tuple[Finding, ...]) -> None:
        self.value = value
        self.findings = findings


_STEPS = 10  # bisection steps for a continuous boundary: a factor of two is narrowed to 0.1 %


def boundary(bench: Bench, plan: TrainingPlan, field: str, *, upwards: bool) -> Boundary:
    """Find how far `field` may move from the plan's value before an error or warning appears.

    The value is doubled (or halved) until something fires or the field's own limit is reached, then
    the boundary is narrowed by bisection. Whole numbers stay whole.
    """
    end = "high" if upwards else "low"
    stated = PLAN_FIELDS[field].metadata[end]
    limit = _data_limit(bench, plan, field) if upwards and stated is None else stated
    reachable = not PLAN_FIELDS[field].metadata[f"{end}_open"]
    start = getattr(plan, field)
    inside: float = start
    for candidate in _walk(start, limit, upwards=upwards, whole=isinstance(start, int)):
        if candidate == limit and not reachable:
            break
        if not bench.silent(plan.replace(**{field: candidate})):
            return _narrow(bench, plan, field, inside, candidate)
        inside = candidate
    return Boundary(inside if stated is not None and inside == stated else None, ())


def _data_limit(bench: Bench, plan: TrainingPlan, field: str) -> float | None:
    """Return where a bound stops saying anything about the data: beyond all of their rows."""
    start: float = getattr(plan, field)
    rows: int | None = bench.facts(plan).value("labels.rows")
    if field not in ("batch_size", "queue_size"):
        return None
    if rows is None:
        return start if field == "batch_size" else None
    return max(rows, start)


def _narrow(bench: Bench, plan: TrainingPlan, field: str, inside: float, outside: float) -> Boundary:
    """Bisect between a silent value and one that is not."""
    whole, upwards = isinstance(getattr(plan, field), int), outside > inside
    for _ in range(64 if whole else _STEPS):
        middle = _between(inside, outside, whole=whole)
        if middle in (inside, outside):
            break
        if bench.silent(plan.replace(**{field: middle})):
            inside = middle
        else:
            outside = middle
    findings = bench.findings(plan.replace(**{field: outside}))
    if not whole:
        inside = _round(bench, plan, field, inside, upwards=upwards)
    return Boundary(inside, _further(bench, plan, field, outside, findings))


def _round(bench: Bench, plan: TrainingPlan, field: str, value: float, *, upwards: bool) -> float:
    """Return a silent value of few digits near the boundary: thresholds are round numbers."""
    if value == 0:
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    nearest = float(f"{round(value / unit) * unit:.12g}")
    if bench.silent(plan.replace(**{field: nearest})):
        return nearest
    inward = math.floor(value / unit) if upwards else math.ceil(value / unit)
    return float(f"{inward * unit:.12g}")


def _further(
    bench: Bench, plan: TrainingPlan, field: str, outside: float, findings: tuple[Finding, ...]
) -> tuple[Finding, ...]:
    """Return what the rules in `findings` say a tenth beyond the boundary, where they still fire."""
    start = getattr(plan, field)
    moved = outside * (1.1 if outside > start else 0.9)
    moved = int(moved) if isinstance(start, int) else moved
    low, high = (PLAN_FIELDS[field].metadata[end] for end in ("low", "high"))
    if (high is not None and moved >= high) or (low is not None and moved < low):
        return findings
    told = bench.findings(plan.replace(**{field: moved}))
    return tuple(f for f in told if f.rule in {g.rule for g in findings}) or findings


def below(bench: Bench, plan: TrainingPlan, field: str) -> Boundary:
    """Find the smallest silent whole value of `field` by bisection from zero, and what fires below it."""
    least = least_silent(bench, plan, field)
    if least == 0:
        return Boundary(0, ())
    findings = bench.findings(plan.replace(**{field: least - 1}))
    return Boundary(least, _further(bench, plan, field, least - 1, findings))


def _walk(start: float, limit: float | None, *, upwards: bool, whole: bool) -> Iterable[float]:
    value = start
    for _ in range(24):
        if upwards:
            value = value * 2 if value > 0 else (64 if whole else 0.125)
            if limit is not None:
                value = min(value, limit if not math.isclose(start, limit) else start)
        else:
            value = value // 2 if whole else value / 2
            if limit is not None:
                value = max(value, limit)
        if value == start or (value <= 0 and not upwards and limit != 0):
            return
        yield int(value) if whole else value
        if value in (limit, 0):
            return


def _between(a: float, b: float, *, whole: bool) -> float:
    if whole:
        return (int(a) + int(b)) // 2
    return math.sqrt(a * b) if a > 0 and b > 0 else (a + b) / 2


def repair(
    bench: Bench,
    plan: TrainingPlan,
    field: str,
    settle: Callable[[TrainingPlan], TrainingPlan],
) -> float | None:
    """Return the nearest value of `field` with which `settle` finds a silent plan, or None.

    The plan's value is doubled up to 256 times over, then halved as far.
    """
    start = getattr(plan, field)
    spec = PLAN_FIELDS[field].metadata
    for factor in (2.0, 0.5):
        value = start
        for _ in range(8):
            value = int(value * factor) if isinstance(start, int) else value * factor
            if value < (spec["low"] or 0) or value == 0 or value >= (spec["high"] or math.inf):
                break
            if bench.silent(settle(plan.replace(**{field: value}))):
                return float(value)
    return None
