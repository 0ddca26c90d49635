"""The gate: which findings count, and the exit code that follows.

`apply` moves accepted findings aside (suppressed in the configuration with a reason, or listed in a
baseline file), names entries that have lost their purpose, and says how the command ends:

====  =========================================================================================
code  meaning
====  =========================================================================================
0     no finding at or above ``fail_on``
1     findings at or above ``fail_on``, a recommendation that cannot be met, or, when strict,
      errors and warnings that could not be checked for want of an input (`unchecked`)
3     nothing could be evaluated: no rule passed and none fired, or a training log does not say enough
====  =========================================================================================

Codes 2 (unusable input) and 70 (internal error) are the command line's.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from imbalance_doctor.diagnose import Diagnosis, Exit, Suppressed
from imbalance_doctor.engine.base import SEVERITIES, Finding, Unknown
from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import FROM_OPTIONS
from imbalance_doctor.sources.config import Config, FailOn, Suppression, parse_fail_on

__all__ = [
    "Baseline",
    "BaselineEntry",
    "Policy",
    "Suppression",
    "apply",
    "fails",
    "file_of",
    "missing_inputs",
    "option",
    "place",
    "policy",
    "read_baseline",
    "relative",
    "reported",
    "unchecked",
    "write_baseline",
]

_VERSION = 1
_KNOWN = "known before"
_LARGEST = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the project tolerates.

    Attributes
    ----------
    fail_on
        Lowest severity that fails; ``never`` for reports that only inform.
    strict
        A rule of severity error or warning that lacks an input fails too. A training log is judged by what
        was given with it: rules that need labels or a plan do not fail where there are none.
    """

    fail_on: FailOn = "error"
    strict: bool = False
    suppress: tuple[Suppression, ...] = ()


@dataclass(frozen=True, kw_only=True, order=True)
class BaselineEntry:
    """Findings of one rule in one place that were there before.

    Attributes
    ----------
    place
        File or planned run, without line numbers, so that moving code changes nothing.
    count
        How many of them, at least 1.
    """

    rule: str
    place: str
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The findings a project starts from: only what is new fails."""

    entries: tuple[BaselineEntry, ...] = ()
    source: str = ""


def policy(config: Config, *, fail_on: str | None = None, strict: bool | None = None) -> Policy:
    """Combine the configuration with what the command line says; the command line wins.

    Raises
    ------
    InputError
        `fail_on` is none of ``error``, ``warning``, ``note``, ``never``.
    """
    lowest = parse_fail_on(fail_on) if fail_on is not None else config.fail_on
    return Policy(
        fail_on=lowest or "error",
        strict=bool(config.strict if strict is None else strict),
        suppress=config.suppress,
    )


def apply(
    diagnosis: Diagnosis, policy: Policy, *, baseline: Baseline | None = None, today: dt.date
) -> Diagnosis:
    """Move accepted findings aside and decide the exit code.

    Parameters
    ----------
    diagnosis
        As judged, before any suppression.
    baseline
        Findings that were there before.
    today
        The day that decides whether a suppression has expired: it counts through its last day.

    Returns
    -------
    Diagnosis
        With `findings`, `suppressed`, `stale` and `exit` set.
    """
    expired = {s.rule for s in policy.suppress if s.expires is not None and s.expires < today}
    active = {s.rule: s for s in policy.suppress if s.rule not in expired}
    left = Counter({(e.rule, e.place): e.count for e in baseline.entries} if baseline else {})
    kept: list[Finding] = []
    accepted: list[Suppressed] = list(diagnosis.suppressed)
    for finding in diagnosis.findings:
        key = (finding.rule, place(finding))
        known = left[key] > 0
        left[key] -= known
        entry = active.get(finding.rule)
        if entry is not None:
            accepted.append(Suppressed(finding=finding, reason=entry.reason, source=entry.source))
        elif known and baseline is not None:
            accepted.append(Suppressed(finding=finding, reason=_KNOWN, source=baseline.source))
        else:
            kept.append(finding)
    judged = replace(
        diagnosis,
        findings=tuple(kept),
        suppressed=tuple(accepted),
        trained=tuple(run.without(s.finding for s in accepted) for run in diagnosis.trained),
        stale=(
            *diagnosis.stale,
            *_stale_suppressions(diagnosis, policy, expired),
            *_stale_entries(diagnosis, baseline, left),
        ),
    )
    return replace(judged, exit=_exit(judged, policy))


def _stale_suppressions(diagnosis: Diagnosis, policy: Policy, expired: set[str]) -> list[str]:
    fired = {f.rule for f in diagnosis.findings}
    # What could not be checked, or belongs to another loss, may still be needed elsewhere.
    open_ = {u.rule for u in diagnosis.unknown} | set(diagnosis.not_applicable)
    stale = []
    for entry in policy.suppress:
        name = f"suppression of {entry.rule}" + (f" in {entry.source}" if entry.source else "")
        if entry.rule in expired:
            again = "its findings count again" if entry.rule in fired else "it matches no finding"
            stale.append(f"{name} expired after {entry.expires}; {again}")
        elif entry.rule not in fired | open_:
            stale.append(f"{name} matches no finding; remove it")
    return stale


def _stale_entries(diagnosis: Diagnosis, baseline: Baseline | None, left: Counter[Any]) -> list[str]:
    if baseline is None:
        return []
    unknown = {u.rule for u in diagnosis.unknown}
    stale = []
    for entry in baseline.entries:
        gone = left[entry.rule, entry.place]
        if gone > 0 and entry.rule not in unknown:
            name = f"{entry.rule} ({entry.place})" if entry.place else entry.rule
            found = f"; {entry.count - gone} of {entry.count} found" if gone < entry.count else ""
            stale.append(f"baseline entry {name} in {baseline.source} matches no finding{found}; remove it")
    return stale


def _exit(diagnosis: Diagnosis, policy: Policy) -> Exit:  # noqa: C901  one ending after another
    def end(code: int, why: str) -> Exit:
        return Exit(code=code, why=why, fail_on=policy.fail_on, strict=policy.strict)

    fired = (*diagnosis.findings, *(s.finding for s in diagnosis.suppressed))
    advice = diagnosis.recommendation
    blockers = advice.blockers if advice is not None and not advice.feasible else ()
    if diagnosis.readings and not diagnosis.trained:
        return end(3, "no training series found")
    if not (fired or diagnosis.passed or blockers):
        return end(3, f"nothing could be evaluated{_wanted(diagnosis.unknown)}")
    reasons = []
    if advice is not None and not advice.feasible:
        rules = ", ".join(dict.fromkeys(b.rule for b in blockers))
        reasons.append("no plan meets every rule" + (f": {rules}" if rules else ""))
    failing = sum(fails(f, policy.fail_on) for f in diagnosis.findings)
    if failing and not reasons:
        reasons.append(f"{_count(failing, 'finding')} at or above {policy.fail_on}")
    open_rules = {u.rule for u in unchecked(diagnosis)}
    if policy.strict and open_rules:
        reasons.append(f"{_count(len(open_rules), 'rule')} not checked for want of an input (strict)")
    if reasons:
        return end(1, " and ".join(reasons))
    open_ = _cannot_tell(diagnosis)
    if open_:
        more = f"; {len(open_) - 1:,} more" if len(open_) > 1 else ""
        return end(3, f"cannot tell: {open_[0]}{more}")
    why = "no findings"
    if diagnosis.findings:
        none = "none fails" if policy.fail_on == "never" else f"none at or above {policy.fail_on}"
        why = f"{_count(len(diagnosis.findings), 'finding')}, {none}"
    if any(run.verdict == "faulty" for run in diagnosis.trained):
        why = f"faulty; {why}"
        if diagnosis.findings and policy.fail_on != "never":
            worst = min((f.severity for f in diagnosis.findings), key=SEVERITIES.index)
            why += f" (--fail-on {worst} fails it)"
    if diagnosis.suppressed:
        why += f", {len(diagnosis.suppressed)} suppressed"
    untold = len({u.rule for u in diagnosis.unknown})
    if untold:
        why += f"; {_count(untold, 'rule')} not checked"
    return end(0, why)


def unchecked(diagnosis: Diagnosis) -> tuple[Unknown, ...]:
    """Return the errors and warnings that could not be checked for want of an input, which strict fails.

    Of a training log those are left out that want the labels, or a plan, where there are none at all: its
    verdict stands on the log.
    """
    facts = diagnosis.facts
    told = {"labels": "labels.rows", "plan": "plan.loss"} if diagnosis.trained else {}
    absent = {name for name, fact in told.items() if facts.value(fact) is None}
    return tuple(
        u
        for u in diagnosis.unknown
        if u.missing and u.severity != "note" and not absent & {name.partition(".")[0] for name in u.missing}
    )


def _cannot_tell(diagnosis: Diagnosis) -> list[str]:
    """Say of each log and run of which nothing can be told why that is."""
    unread = [f"{r.source} is {r.instead or 'no training log'}" for r in diagnosis.readings if not r.runs]
    runs = [r for r in diagnosis.trained if r.verdict == "cannot tell" and not r.log.replayed]
    return unread + [": ".join(filter(None, (run.name, run.because))) for run in runs]


def fails(finding: Finding, fail_on: str) -> bool:
    """Return whether a finding is at or above `fail_on`."""
    return fail_on != "never" and finding.severity in SEVERITIES[: SEVERITIES.index(fail_on) + 1]


def _wanted(unknown: Iterable[Unknown]) -> str:
    most = [option(name) for name, _ in missing_inputs(unknown)[:3]]
    return f"; give {' and '.join(most)}" if most else "; give --labels or --plan"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def missing_inputs(unknown: Iterable[Unknown]) -> tuple[tuple[str, int], ...]:
    """Count, for each missing input, the rules that need it; the most wanted first."""
    pairs = {(name, u.rule) for u in unknown for name in u.missing}
    counts = Counter(name for name, _ in pairs)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0] != "labels", item[0])))


def option(name: str) -> str:
    """Return the option that gives an input.

    >>> option("labels"), option("plan.batch_size"), option("log.score_std")
    ('--labels', '--batch-size', 'score_std in the log')
    """
    if name.startswith("log."):
        return f"{name.removeprefix('log.')} in the log"
    return "--" + name.removeprefix("plan.").replace("_", "-").replace(".", "-")


def reported(diagnosis: Diagnosis) -> tuple[Finding, ...]:
    """Return the findings and, for advice that cannot be met, those that stand in its way."""
    advice = diagnosis.recommendation
    blockers = advice.blockers if advice is not None and not advice.feasible else ()
    fired = {f.rule for f in diagnosis.findings}
    return (*diagnosis.findings, *(b for b in blockers if b.rule not in fired))


def place(finding: Finding) -> str:
    """Return where a finding is, without line and column, so that it survives edits above it.

    >>> place(Finding(rule="r", title="", severity="note", confidence="low", message="",
    ...               run="train.py:42 SmoothAPLoss"))
    'train.py'
    """
    if finding.where is None:
        return file_of(finding.run)
    return "" if finding.where.path.startswith("--") else relative(finding.where.path)


def file_of(name: str) -> str:
    """Return the file in the name of a place, run or subject; empty for options and standard input.

    >>> file_of("train.py:42 SmoothAPLoss"), file_of("y.npy"), file_of("--queue-size")
    ('train.py', 'y.npy', '')
    """
    if name.startswith("--") or name in ("-", FROM_OPTIONS):
        return ""
    named = re.match(r"(.+?):\d+(?::\d+)?(?:\s|$)", name)
    return relative(named[1] if named else name)


def relative(path: str) -> str:
    """Return a path as seen from the working directory where it lies below it, with forward slashes."""
    pure = PurePath(os.path.normpath(path)) if path else PurePath()
    if pure.is_absolute() and pure.is_relative_to(Path.cwd()):
        pure = pure.relative_to(Path.cwd())
    return pure.as_posix() if path else ""


def write_baseline(diagnosis: Diagnosis, path: Path, *, overwrite: bool = False) -> int:
    """Write a baseline that accepts every finding of a diagnosis; return how many.

    Findings that an earlier baseline accepts stay in. Those that the configuration suppresses are left
    out: they have their own reason.

    Raises
    ------
    InputError
        The file exists and `overwrite` is False, or cannot be written.
    """
    import json

    known = (s.finding for s in diagnosis.suppressed if s.reason == _KNOWN)
    counts = Counter((f.rule, place(f)) for f in (*diagnosis.findings, *known))
    entries = [{"rule": rule, "place": where, "count": n} for (rule, where), n in sorted(counts.items())]
    text = json.dumps({"version": _VERSION, "findings": entries}, indent=2, ensure_ascii=True) + "\n"
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise InputError("expected a new file, but got one that exists", where=path) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", where=path) from None
    return counts.total()


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file.

    Raises
    ------
    InputError
        The file is missing, too large, not JSON, of another version, or an entry is malformed or given
        twice.
    """
    import json

    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=path) from None
    if len(raw) > _LARGEST:
        raise InputError(f"expected at most {_LARGEST // 2**20} MiB, but got more", where=path)
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8 text, but got byte {error.start} that is not", where=path) from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"expected JSON, but got: {error.msg}", where=path, line=error.lineno, column=error.colno
        ) from None
    except (RecursionError, ValueError) as error:
        text = "values nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"expected JSON, but got {text}", where=path) from None
    return Baseline(entries=_entries(document, path), source=relative(str(path)))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        message = f"the key {twice!r} twice"
        raise ValueError(message)
    return table


def _entries(document: object, path: Path) -> tuple[BaselineEntry, ...]:
    if not isinstance(document, dict) or "version" not in document:
        raise InputError(
            f"expected a baseline with a version, but got {_kind(document)}",
            where=path,
            hint="write one with --write-baseline",
        )
    if document["version"] is True or document["version"] != _VERSION:
        raise InputError(
            f"expected version {_VERSION}, but got {_kind(document['version'])}",
            where=path,
            hint="write it anew with --write-baseline",
        )
    _only(document, ("version", "findings"), "", path)
    findings = document.get("findings")
    if not isinstance(findings, list):
        raise InputError(f"findings: expected a list, but got {_kind(findings)}", where=path)
    seen: dict[tuple[str, str], BaselineEntry] = {}
    for number, entry in enumerate(findings, 1):
        where = f"findings {number}: "
        if not isinstance(entry, dict):
            raise InputError(f"{where}expected a table, but got {_kind(entry)}", where=path)
        _only(entry, ("rule", "place", "count"), where, path)
        rule, spot, count = entry.get("rule"), entry.get("place", ""), entry.get("count", 1)
        if not isinstance(rule, str) or not rule:
            raise InputError(f"{where}expected the id of a rule, but got {_kind(rule)}", where=path)
        if not isinstance(spot, str):
            raise InputError(f"{where}place: expected text, but got {_kind(spot)}", where=path)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InputError(
                f"{where}count: expected a whole number above 0, but got {_kind(count)}", where=path
            )
        if (rule, spot) in seen:
            raise InputError(f"{where}expected each rule once per place, but got {rule!r} twice", where=path)
        seen[rule, spot] = BaselineEntry(rule=rule, place=spot, count=count)
    return tuple(seen.values())


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str, path: Path) -> None:
    for key in table:
        if key not in known:
            raise InputError(
                f"{where}expected one of {', '.join(known)}, but got {_kind(key)}",
                where=path,
                hint=did_you_mean(key, known),
            )


def _kind(value: object) -> str:
    """Name a value of untrusted JSON in a few characters."""
    if value is None:
        return "none"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = repr(value)
    longest = 40
    return text if len(text) <= longest else text[: longest - 3] + "..."
