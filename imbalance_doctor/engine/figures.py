"""What rules were measured to do, as data beside them: ``measured.json`` in a directory of rules.

::

    {"about": {"date": "2026-11-21", "seed": 0, "versions": {"torch": "2.13.0"}, "runs": 600},
     "rules": {"loss-not-finite": {"right": 45, "fires_right": 41, "clean": 312, "fires_clean": 0,
                                   "fires": 44}}}

``about`` says how it was measured. Of each rule there are counts of runs: ``right``, harmed runs of the
rule's own cause; ``clean``, healthy runs and those that their fault did no harm; and on how many of these,
and on how many of all runs, it fired. ``fires_harmless``, where given, are those of ``fires_clean`` whose
fault was the rule's own: a note is right about them, an alarm is not. ``leads``, where given, are those of
``fires`` that no other finding explained, ``leads_right`` those of them that were right: as a symptom of
something else a finding claims no cause of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from imbalance_doctor.engine.document import read_document, table
from imbalance_doctor.errors import RuleError, did_you_mean
from imbalance_doctor.facts._numbers import wilson

__all__ = ["FILE_NAME", "Figures", "Measured", "Share", "ends"]

FILE_NAME = "measured.json"
Share = tuple[int, int]  # runs, and of how many


@dataclass(frozen=True, kw_only=True)
class Figures:
    """On how many labelled runs a rule fired.

    Attributes
    ----------
    right, fires_right
        Harmed runs whose cause is the rule's own.
    clean, fires_clean
        Healthy runs, and those that their fault did no harm.
    fires
        Firings among all runs, harmed by other causes included.
    fires_harmless
        Those of `fires_clean` where the fault is the rule's own.
    leads, leads_right
        Firings that no other finding explained, and those of them whose cause was right; None where that
        was not counted, so that all firings count.
    """

    right: int
    fires_right: int
    clean: int
    fires_clean: int
    fires: int
    fires_harmless: int = 0
    leads: int | None = None
    leads_right: int | None = None

    @classmethod
    def of(cls, counts: Any) -> Self:
        """Check counts as they are in a file.

        Raises
        ------
        ValueError
            They are no counts, or contradict each other; the message says which.
        """
        counts = table(counts, "counts of runs")
        counts = {
            name: value for name, value in counts.items() if value is not None or name not in _UNCOUNTED
        }
        for name in sorted(_COUNTS - counts.keys() - _OPTIONAL):
            raise ValueError(f"expected the key '{name}', but it is missing")
        for name, value in counts.items():
            if name not in _COUNTS:
                hint = did_you_mean(name, _COUNTS) or ", ".join(sorted(_COUNTS))
                raise ValueError(f"unknown key '{name}'; {hint}")
            if type(value) is not int or value < 0:
                raise ValueError(f"'{name}' expected a count, but got {json.dumps(value)[:50]}")
        found = cls(**counts)
        for name, whole, part in (
            ("right", found.right, found.fires_right),
            ("clean", found.clean, found.fires_clean),
            ("fires", found.fires, found.fires_right + found.fires_clean),
            ("fires_clean", found.fires_clean, found.fires_harmless),
            ("fires", found.fires, found.leads or 0),
            ("leads", found.leads or 0, found.leads_right or 0),
        ):
            if part > whole:
                raise ValueError(f"'{name}' expected at least {part}, but got {whole}")
        return found

    @property
    def detection(self) -> Share:
        """Runs of its cause on which it fires."""
        return self.fires_right, self.right

    @property
    def alarms(self) -> Share:
        """Clean runs on which it fires."""
        return self.fires_clean, self.clean

    def precision(self, severity: str) -> Share:
        """Return in how many firings its cause is right: of an alarm only where there is harm."""
        if self.leads is not None:
            return self.leads_right or 0, self.leads
        return self.fires_right + (self.fires_harmless if severity == "note" else 0), self.fires

    def document(self, severity: str) -> dict[str, Any]:
        """Return the counts, and the shares with the ends of their 95 % intervals, None of no runs."""
        return {
            **asdict(self),
            **ends("detection", self.detection),
            **ends("alarms", self.alarms),
            **ends("precision", self.precision(severity)),
        }


_COUNTS = {field.name for field in fields(Figures)}
_UNCOUNTED = {"leads", "leads_right"}
_OPTIONAL = {"fires_harmless", *_UNCOUNTED}


def ends(name: str, share: Share) -> dict[str, float | None]:
    """Return a share as ``name``, ``name_low`` and ``name_high``; None where there is no run."""
    hits, total = share
    values = (hits / total, *wilson(hits, total)) if total else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The figures of one directory of rules.

    Attributes
    ----------
    about
        How they were measured, as it is in the file.
    rules
        By id.
    """

    about: Mapping[str, Any]
    rules: Mapping[str, Figures]

    @classmethod
    def beside(cls, root: Any, where: str = "") -> Self:
        """Read the file in a directory of rules; nothing was measured where there is none.

        Parameters
        ----------
        root
            The directory, also inside a zip file.
        where
            The file's name in messages.

        Raises
        ------
        RuleError
            It cannot be read, or holds something else.
        """
        found = read_document(root / FILE_NAME, cls.of, what="figures", where=where, fault=RuleError)
        return found or cls(about={}, rules={})

    @classmethod
    def of(cls, document: Any) -> Self:
        """Check a document.

        Raises
        ------
        ValueError
            It is not of the form of this module.
        """
        document = table(document, "'about' and 'rules'")
        if set(document) != {"about", "rules"}:
            raise ValueError(
                f"expected the keys 'about' and 'rules', but got {', '.join(document) or 'none'}"
            )
        rules = {}
        for rule, counts in table(document["rules"], "'rules' with counts by rule").items():
            try:
                rules[rule] = Figures.of(counts)
            except ValueError as error:
                raise ValueError(f"rules.{rule}: {error}") from None
        return cls(about=table(document["about"], "'about' with how it was measured"), rules=rules)

    def document(self) -> dict[str, Any]:
        """Return what the file holds, rules by id."""
        return {
            "about": dict(self.about),
            "rules": {rule: asdict(self.rules[rule]) for rule in sorted(self.rules)},
        }
