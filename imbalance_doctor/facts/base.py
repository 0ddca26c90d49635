"""What every family of facts has in common, and the measuring of all of them.

A family is one module with one frozen dataclass of the same name: the fact ``pool.expected_positives``
is field ``expected_positives`` of class ``Pool`` in ``facts/pool.py``. Each field is declared with
`described`: help, unit, and the inputs that provide it. A value that those inputs leave undefined is
None. The family ``plan`` is the training plan itself.
"""

from __future__ import annotations

import importlib
import pkgutil
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache, partial
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from imbalance_doctor.evidence import LabelCounts, ScoreDump, TrainingLog, TrainingPlan

__all__ = ["Evidence", "FactSpec", "Facts", "Family", "Span", "fact_specs", "families", "measure"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that was given about one run; `plan` has its documented defaults filled in."""

    labels: LabelCounts | None = None
    plan: TrainingPlan = field(default_factory=TrainingPlan)
    log: TrainingLog | None = None
    scores: ScoreDump | None = None


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where in a training log a fact was seen.

    Attributes
    ----------
    key
        The series, as the log spells it.
    first, last
        On the run's axis (step, epoch or row).
    first_line, last_line
        One-based lines of the file; 0 where it has none.
    """

    key: str
    first: float
    last: float
    first_line: int = 0
    last_line: int = 0


@runtime_checkable
class Family(Protocol):
    """One family of facts."""

    after: ClassVar[tuple[str, ...]]
    """Families that must be measured before this one."""

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Return the family, or None when the evidence for all of it is absent."""


@dataclass(frozen=True)
class FactSpec:
    """The declaration of one fact.

    Attributes
    ----------
    name
        Dotted, as rules speak of it.
    kind
        ``number``, ``bool``, ``text`` or ``vector`` (one number per class; printed, not for rules).
    whole
        The number is an integer.
    """

    name: str
    kind: str
    help: str
    unit: str
    needs: tuple[str, ...]
    choices: tuple[str, ...]
    whole: bool = False


class Facts:
    """The facts, read by dotted name; a family is measured when it is first asked for.

    >>> facts = Facts(plan=TrainingPlan(batch_size=64))
    >>> facts.value("plan.batch_size")
    64
    >>> facts.value("labels.rows") is None
    True
    """

    def __init__(self, **members: object) -> None:
        self._members: dict[str, object] = {k: v for k, v in members.items() if v is not None}
        self._waiting: dict[str, Callable[[Facts], object]] = {}

    @classmethod
    def on_demand(cls, plan: TrainingPlan, waiting: Mapping[str, Callable[[Facts], object]]) -> Facts:
        """Return facts whose families are measured by the functions in `waiting`, each at most once."""
        facts = cls(plan=plan)
        facts._waiting = dict(waiting)
        return facts

    def note_log(self, log: TrainingLog) -> None:
        """Note which series a log has, as ``log.<name>``, so that what it lacks can be named."""
        self._members["log"] = types.SimpleNamespace(**{series.name: True for series in log.series})

    def family(self, name: str) -> Any:
        """Return one family, or None where its evidence is absent."""
        if name in self._waiting:
            member = self._waiting.pop(name)(self)
            if member is not None:
                self._members[name] = member
        return self._members.get(name)

    def value(self, name: str) -> Any:
        """Return the value of a dotted fact name; None where unknown."""
        family, _, fact = name.partition(".")
        return getattr(self.family(family), fact, None)

    def seen(self, name: str) -> tuple[Span, ...]:
        """Return where in the training log a fact was seen; empty for facts of labels and plans."""
        family, _, fact = name.partition(".")
        spans: Mapping[str, tuple[Span, ...]] = getattr(self.family(family), "seen", {})
        return spans.get(fact, ())

    def known(self) -> dict[str, Any]:
        """Return every fact that has a value, by dotted name, in the order of declaration."""
        return {name: value for name in fact_specs() if (value := self.value(name)) is not None}


@cache
def families() -> Mapping[str, type[Family]]:
    """Discover the families beside this module, ordered so that each follows those it needs."""
    package = importlib.import_module("imbalance_doctor.facts")
    found: dict[str, type[Family]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name == "base" or module.name.startswith("_"):
            continue
        member = importlib.import_module(f"{package.__name__}.{module.name}")
        found[module.name] = getattr(member, module.name.title().replace("_", ""))
    ordered: dict[str, type[Family]] = {}
    while len(ordered) < len(found):
        ready = {
            name: cls
            for name, cls in found.items()
            if name not in ordered and set(cls.after) <= set(ordered) | {"plan"}
        }
        if not ready:
            message = f"families of facts wait for one another: {sorted(set(found) - set(ordered))}"
            raise RuntimeError(message)
        ordered |= ready
    return types.MappingProxyType(ordered)


def _kind(annotation: str) -> str:
    """Return the kind of fact that a field's annotation, as written, declares."""
    members = {part.strip() for part in annotation.split("|")} - {"None"}
    for kind, accepted in (("bool", {"bool"}), ("number", {"int", "float"}), ("text", {"str"})):
        if members <= accepted:
            return kind
    return "vector"


@cache
def fact_specs() -> Mapping[str, FactSpec]:
    """Return the declaration of every fact, by dotted name."""
    specs: dict[str, FactSpec] = {}
    members: dict[str, type[Any]] = {"plan": TrainingPlan, **families()}
    for family, cls in members.items():
        for spec in fields(cls):
            if not spec.metadata:  # where facts were seen, not a fact
                continue
            written = str(spec.type)  # every module here postpones the evaluation of annotations
            name = f"{family}.{spec.name}"
            needs = (name,) if family == "plan" else spec.metadata["needs"]
            specs[name] = FactSpec(
                name=name,
                kind=_kind(written),
                help=spec.metadata["help"],
                unit=spec.metadata["unit"],
                needs=needs,
                choices=spec.metadata["choices"],
                whole="int" in written,
            )
    return types.MappingProxyType(specs)


def measure(evidence: Evidence, *, reuse: Facts | None = None) -> Facts:
    """Return the facts of the evidence, each family measured when it is first asked for.

    Parameters
    ----------
    evidence
        What was given.
    reuse
        Facts of the same labels under another plan: families that depend on the labels alone are
        taken from there instead of being measured again.
    """
    waiting: dict[str, Callable[[Facts], object]] = {}
    for name, cls in families().items():
        if reuse is not None and not cls.after and evidence.log is None:
            waiting[name] = partial(_taken, reuse, name)
        else:
            waiting[name] = partial(cls.measure, evidence)
    facts = Facts.on_demand(evidence.plan, waiting)
    if evidence.log is not None:
        facts.note_log(evidence.log)
    return facts


def _taken(reuse: Facts, name: str, _: Facts) -> object:
    return reuse.family(name)
