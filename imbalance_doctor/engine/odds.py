"""Which causes harmed runs had on which each rule fired, as counts beside the rules: ``odds.json``.

::

    {"about": {"date": "2026-11-21", "seed": 0, "versions": {"torch": "2.13.0"}, "runs": 2094},
     "harmed": 954, "causes": {"noisy-positives": 40},
     "rules": {"loss-fails-at-once": {"fires": 60, "causes": {"learning-rate-too-high": 40}}}}

Counted on labelled runs that were harmed, once for each level of sight: ``harmed`` of them, ``causes`` by
right cause (a run may have several), and of each rule on how many it fired, in all and by right cause. They
are not the runs by which the diagnosis is judged: those of ``measured.json`` are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from imbalance_doctor.engine.document import read_document, table
from imbalance_doctor.errors import RuleError

__all__ = ["ODDS_NAME", "Odds", "RuleOdds"]

ODDS_NAME = "odds.json"


@dataclass(frozen=True, kw_only=True)
class RuleOdds:
    """On how many harmed runs a rule fired, in all and by right cause."""

    fires: int
    causes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Odds:
    """The counts of one directory of rules; none where nothing was counted."""

    about: Mapping[str, Any] = field(default_factory=dict)
    harmed: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, RuleOdds] = field(default_factory=dict)

    def shift(self, rule: str, cause: str, *, runs: float) -> float:
        """Return the logarithm by which the firing of a rule multiplies the odds of a cause.

        Its share among the runs of the cause over its share among all of them, with the latter counted as so
        many runs more, so that a cause that was seen seldom moves little::

            log((fires(cause) + runs * share) / ((runs(cause) + runs) * share)),  share = fires / harmed

        Returns
        -------
        float
            0 where the rule or the cause was not counted.

        Examples
        --------
        >>> counted = RuleOdds(fires=20, causes={"stale-queue": 18})
        >>> odds = Odds(harmed=100, causes={"stale-queue": 20, "other": 80}, rules={"old": counted})
        >>> round(odds.shift("old", "stale-queue", runs=5), 2), round(odds.shift("old", "other", runs=5), 2)
        (1.34, -2.83)
        """
        counted = self.rules.get(rule)
        if counted is None or not counted.fires or cause not in self.causes:
            return 0.0
        share = counted.fires / self.harmed
        return math.log((counted.causes.get(cause, 0) + runs * share) / (share * (self.causes[cause] + runs)))

    def fires(self, rule: str) -> int:
        """Return on how many harmed runs a rule fired."""
        return self.rules[rule].fires if rule in self.rules else 0

    def witnessed(self, rules: Iterable[str], least: float) -> set[str]:
        """Return the causes of at least so many harmed runs on which one of the rules fired."""
        counted = (self.rules[rule] for rule in rules)
        return {cause for rule in counted for cause, runs in rule.causes.items() if runs >= least}

    @classmethod
    def beside(cls, root: Any, where: str = "") -> Self:
        """Read the file in a directory of rules, which may lie inside a zip file.

        Raises
        ------
        RuleError
            It cannot be read, or holds something else.
        """
        found = read_document(root / ODDS_NAME, cls.of, what="odds", where=where, fault=RuleError)
        return found or cls()

    @classmethod
    def of(cls, document: Any) -> Self:
        """Check a document.

        Raises
        ------
        ValueError
            It is not of the form of this module, or its counts contradict each other.
        """
        document = _keyed(document, "counts of runs", "about", "harmed", "causes", "rules")
        harmed = _count(document["harmed"], "harmed")
        causes = {
            cause: _count(runs, f"causes.{cause}", harmed)
            for cause, runs in table(document["causes"], "'causes' with runs by cause").items()
        }
        rules = {}
        for rule, counts in table(document["rules"], "'rules' with counts by rule").items():
            said = _keyed(counts, f"rules.{rule} with counts", "fires", "causes")
            fires = _count(said["fires"], f"rules.{rule}.fires", harmed)
            by_cause = {
                cause: _count(runs, f"rules.{rule}.causes.{cause}", min(fires, causes.get(cause, 0)))
                for cause, runs in table(said["causes"], f"rules.{rule}.causes with runs by cause").items()
            }
            rules[rule] = RuleOdds(fires=fires, causes=by_cause)
        about = table(document["about"], "'about' with how it was counted")
        return cls(about=about, harmed=harmed, causes=causes, rules=rules)

    def text(self) -> str:
        """Return what the file holds: a line for each rule, so that a difference shows which one changed."""
        lines = ",\n  ".join(
            f"{json.dumps(rule)}: {json.dumps(asdict(counted), sort_keys=True)}"
            for rule, counted in sorted(self.rules.items())
        )
        about, causes = json.dumps(dict(self.about)), json.dumps(dict(sorted(self.causes.items())))
        return (
            f'{{"about": {about},\n "harmed": {self.harmed},\n "causes": {causes},\n'
            f' "rules": {{\n  {lines}\n }}}}\n'
        )


def _keyed(value: Any, what: str, *keys: str) -> dict[str, Any]:
    found = table(value, what)
    if set(found) != set(keys):
        raise ValueError(f"expected {what} under {', '.join(keys)}, but got {', '.join(found) or 'none'}")
    return found


def _count(value: Any, where: str, most: int | None = None) -> int:
    if type(value) is not int or value < 0 or (most is not None and value > most):
        limit = "" if most is None else f" up to {most}"
        raise ValueError(f"{where}: expected a count{limit}, but got {json.dumps(value)[:50]}")
    return value
