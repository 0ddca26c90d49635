"""Whether a remedy helps, tried on the scores it was found on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from imbalance_doctor.errors import DoctorError
from imbalance_doctor.evidence import PLAN_FIELDS
from imbalance_doctor.replay.settings import ReplaySettings

__all__ = ["Remedy", "Trial", "check_remedy", "suggested"]

_FEWEST_STEPS = 5
"""Fewer steps show nothing: no rule reads a course of less."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a replay shows: figures (see `sweep.figures`), and severity by id of each rule that fired."""

    figures: Mapping[str, float | None]
    findings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """The same scores before and after the suggested settings.

    Attributes
    ----------
    settings
        What the findings suggest.
    after
        None where it could not be tried; `untried` says why.
    """

    settings: Mapping[str, object]
    before: Trial
    after: Trial | None
    untried: str = ""

    @property
    def resolved(self) -> tuple[str, ...]:
        """Rules that fire no more."""
        left = self.after.findings if self.after else self.before.findings
        return tuple(rule for rule in self.before.findings if rule not in left)

    @property
    def remaining(self) -> tuple[str, ...]:
        """Rules that still fire."""
        left = self.after.findings if self.after else self.before.findings
        return tuple(rule for rule in self.before.findings if rule in left)

    @property
    def new(self) -> tuple[str, ...]:
        """Rules that fire only with the remedy."""
        return tuple(r for r in (self.after.findings if self.after else ()) if r not in self.before.findings)


def suggested(suggestions: Iterable[Mapping[str, Any]], settings: ReplaySettings) -> dict[str, object]:
    """Return what the findings suggest for this replay; of two values for one setting the first counts.

    Parameters
    ----------
    suggestions
        `Finding.suggest` of each finding, the gravest first.
    """
    found: dict[str, object] = {}
    for name, value in (pair for each in suggestions for pair in each.items()):
        if name in found or value is None or name not in PLAN_FIELDS or not settings.takes(name):
            continue
        typed = _typed(name, value)
        if typed != settings.value(name):
            found[name] = typed
    return found


def _typed(name: str, value: Any) -> object:
    kind = str(PLAN_FIELDS[name].type)
    if isinstance(value, bool | str):
        return value
    if kind.startswith("int"):
        return round(value)
    return float(value) if kind.startswith("float") else value


def check_remedy(
    settings: ReplaySettings,
    changes: Mapping[str, object],
    before: Trial,
    rows: int,
    trial: Callable[[ReplaySettings], Trial],
) -> Remedy:
    """Replay again with the suggested settings.

    Parameters
    ----------
    changes
        As `suggested` returns them.
    rows
        Of the dump.
    trial
        Replays and judges.
    """
    changed = replace(settings, **changes)  # type: ignore[arg-type]
    size = (changed.batch_size or 0) * (changed.world_size or 1)
    if size and rows < _FEWEST_STEPS * size:
        untried = f"the {rows:,} rows are fewer than {_FEWEST_STEPS} steps of {size:,}"
        return Remedy(settings=changes, before=before, after=None, untried=untried)
    try:
        after = trial(changed)
    except DoctorError as error:
        return Remedy(settings=changes, before=before, after=None, untried=str(error))
    return Remedy(settings=changes, before=before, after=after)
