"""How numbers and untrusted words are written: the only place where anything is rounded."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import SEVERITIES, Finding, Unknown
from imbalance_doctor.evidence import PLAN_FIELDS, Location
from imbalance_doctor.gate import missing_inputs, option, reported
from imbalance_doctor.recommend.base import Choice, Question, Recommendation

_DIGITS = 3
_THOUSAND = 1000
_EXACT = 1e15  # below it, a float holds every whole number
_RULE_FIRST = re.compile(r"([a-z][a-z0-9]*(?:-[a-z0-9]+)+): (.+)", re.DOTALL)


def clean(text: object) -> str:
    r"""Return text as one printable line; control and other invisible characters become escapes.

    >>> clean("a\x1b[31mb\n c")
    'a\\x1b[31mb c'
    """
    return visible(" ".join(str(text).split()))


def clean_lines(text: object) -> str:
    """Return text with its lines kept and every other invisible character escaped."""
    lines = str(text).replace("\r\n", "\n").replace("\t", "    ").split("\n")
    return "\n".join(visible(line).rstrip() for line in lines).strip("\n")


def visible(text: str) -> str:
    """Return text with every kind of white space as a space, and other invisible characters escaped."""
    if text.isprintable():
        return text
    shown = (
        c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape").decode("ascii")
        for c in text
    )
    return "".join(shown)


def paragraphs(text: object) -> list[str]:
    """Split running text at blank lines; line breaks inside a paragraph are only layout."""
    return [clean(part) for part in re.split(r"\n\s*\n", str(text).strip()) if part.strip()]


def first_sentence(text: object) -> str:
    """Return the first sentence of running text.

    >>> first_sentence("Below 0.5 it is noise. Measured twice.")
    'Below 0.5 it is noise.'
    >>> first_sentence("The line is 0.5. Above it, e.g. Adam helps.")
    'The line is 0.5.'
    """
    parts = paragraphs(text)
    return (
        re.split(r"(?<=[^.\s][.!?])(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z0-9])", parts[0], maxsplit=1)[0]
        if parts
        else ""
    )


def sentence(text: object) -> str:
    """Return a phrase as a sentence: capital letter, closing full stop."""
    phrase = clean(text)
    if not phrase:
        return ""
    first, _, _ = phrase.partition(" ")
    if first.isalpha() and first.islower():
        phrase = phrase[0].upper() + phrase[1:]
    return phrase if phrase[-1] in ".!?:" else f"{phrase}."


def number(value: object) -> str:
    """Return a number for reading: three digits that count, thousands apart.

    >>> number(1280), number(2.5612), number(1.2e-5), number(True)
    ('1,280', '2.56', '1.2e-05', 'yes')
    """
    value = plain(value)
    if isinstance(value, float):
        return _decimal(value)
    if value is None or isinstance(value, bool):
        return {None: "unknown", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(map(number, value)) if isinstance(value, list) else clean(value)


def _decimal(value: float) -> str:
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else f"{'-' if value < 0 else ''}infinite"
    rounded = float(f"{value:.{_DIGITS}g}")
    if abs(value) < _EXACT and (value.is_integer() or abs(rounded) >= _THOUSAND):
        return f"{value:,.0f}"
    return f"{rounded:g}"


def percent(share: float) -> str:
    """Return a share (0-1) in per cent, with the digits that tell it from 0 and from 100 %.

    >>> percent(0.002), percent(0.99999), percent(1)
    ('0.2 %', '99.999 %', '100 %')
    """
    if not math.isfinite(share):
        return number(share)
    value = 100 * share
    rest = min(abs(value), abs(100 - value))
    if abs(value) <= 1e-4:  # noqa: PLR2004  zeros would hide it
        return f"{value:.3g} %"
    digits = 1 if rest == 0 else max(0, _DIGITS - 1 - math.floor(math.log10(rest)))
    text = f"{value:,.{min(digits, 9)}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def size(count: float) -> str:
    """Return a number of bytes.

    >>> size(512), size(1536), size(2 * 2**30)
    ('512 bytes', '1.5 KiB', '2 GiB')
    """
    if not math.isfinite(count):
        return number(count)
    value, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(value) < 1024:  # noqa: PLR2004
            break
        value, unit = value / 1024, larger
    return f"{number(value)} {unit}"


_AMOUNTS = {"share": percent, "bytes": size}


def quantity(value: object, unit: str = "") -> str:
    """Return a value with its unit: shares in per cent, bytes with a prefix."""
    value = plain(value)
    if isinstance(value, list):
        shown = [quantity(v, unit if unit in _AMOUNTS else "") for v in value]
        return f"{', '.join(shown)} {'' if unit in _AMOUNTS else unit}".rstrip()
    if value is None or isinstance(value, bool | str):
        return number(value)
    if isinstance(value, int | float) and unit in _AMOUNTS:
        return _AMOUNTS[unit](value)
    return f"{number(value)} {_singular(unit) if value == 1 else unit}".rstrip()


def _singular(unit: str) -> str:
    return unit.removesuffix("es" if unit.endswith(("ches", "sses")) else "s")


def pasteable(value: object) -> str:
    """Return a plan value as one would write it into code: no thousands, no unit.

    >>> pasteable(4096), pasteable(0.05), pasteable(None), pasteable(True)
    ('4096', '0.05', 'none', 'true')
    """
    value = plain(value)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < _EXACT else f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(pasteable, value)) + "]"
    return clean(value)


def choice_value(name: str, value: object) -> str:
    """Return a recommended value: pasteable, except for bytes, which nobody reads in digits."""
    spec = PLAN_FIELDS.get(name)
    if spec is not None and spec.metadata["unit"] == "bytes" and value is not None:
        return quantity(value, "bytes")
    return pasteable(value)


def interval(low: float | None, high: float | None) -> str:
    """Return the interval in which a value may move; empty where nothing is known to bound it."""
    if low is None and high is None:
        return ""
    if low is None:
        return f"up to {pasteable(high)}"
    if high is None:
        return f"{pasteable(low)} or more"
    return f"{pasteable(low)} to {pasteable(high)}"


def plain(value: object) -> Any:
    """Return a value in Python's own types: numpy scalars and arrays, sets and tuples unwrapped."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=str)
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return value


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 finding``, ``2 findings``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rule_and_reason(because: str) -> tuple[str, str]:
    """Split a reason that starts with a rule's id; the id is empty where it does not."""
    named = _RULE_FIRST.fullmatch(because)
    return (named[1], named[2]) if named else ("", because)


def by_severity(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Group findings, errors first; severities without a finding are left out."""
    groups: dict[str, list[Finding]] = {severity: [] for severity in SEVERITIES}
    for finding in findings:
        groups[finding.severity].append(finding)
    return {severity: members for severity, members in groups.items() if members}


def unchecked(unknown: Iterable[Unknown], *, most: int | None = None) -> list[str]:
    """Sum up the rules that could not be checked, one phrase per missing input.

    A rule that lacks two inputs counts for both. `most` limits the phrases to the inputs wanted by
    most rules.
    """
    unknown = tuple(unknown)
    wanted = missing_inputs(unknown)
    shown = wanted[:most]
    phrases = [
        f"{plural(n, 'rule')} {'needs' if n == 1 else 'need'} {clean(option(name))}" for name, n in shown
    ]
    if len(shown) < len(wanted):
        phrases.append(f"others need {plural(len(wanted) - len(shown), 'further input')}")
    undefined = {u.rule for u in unknown if not u.missing}
    if undefined:
        phrases.append(f"{plural(len(undefined), 'rule')} cannot be computed from what was given")
    return phrases


def listed(words: Iterable[object]) -> str:
    """Return words as a list in a sentence; empty ones are left out.

    >>> listed(["y.npy", "", "a.py", "b.py"])
    'y.npy, a.py and b.py'
    """
    *most, last = [word for word in map(clean, words) if word] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def headline(diagnosis: Diagnosis, findings: Iterable[Finding]) -> str:
    """Count what was found, what passed and what could not be checked."""
    groups = by_severity(findings)
    found = [plural(len(members), severity) for severity, members in groups.items()] or ["no findings"]
    counts = [", ".join(found), f"{plural(len(diagnosis.passed), 'rule')} passed"]
    rules = len({u.rule for u in diagnosis.unknown})
    if rules:
        counts.append(f"{rules:,} not checked")
    if diagnosis.suppressed:
        counts.append(f"{len(diagnosis.suppressed):,} suppressed")
    return "; ".join(counts)


_TASKS = {"multiclass": "multi-class", "multilabel": "multi-label"}


def read(diagnosis: Diagnosis) -> str:
    """Say in one line what the labels hold; empty where nothing is known of them."""
    value = diagnosis.facts.value
    rows, classes, task = value("labels.rows"), value("labels.num_classes"), value("labels.task")
    if rows is None:
        stated = value("labels.prevalence")
        return "" if stated is None else f"Prevalence {percent(stated)} as stated"
    ignored = value("labels.ignored")
    parts = [quantity(rows, "rows") + (f" and {number(ignored)} ignored" if ignored else "")]
    focus, positives = value("labels.focus_class"), value("labels.positives")
    if task == "binary":
        if positives is not None:
            parts.append(f"{plural(positives, 'positive')}{_share(diagnosis)}")
        if focus is not None:
            parts.append(f"positive class {clean(focus)}")
        return ", ".join([*parts, "binary"])
    if focus is not None and positives is not None:
        parts.append(f"rarest class {clean(focus)} with {quantity(positives, 'rows')}{_share(diagnosis)}")
    line = ", ".join(parts)
    if classes is not None:
        absent = value("labels.classes_absent")
        line += f"; {classes:,} classes" + (f", {absent:,} of them without a row" if absent else "")
    return line + (f", {_TASKS.get(task, clean(task))}" if task else "")


def _share(diagnosis: Diagnosis) -> str:
    """Return the prevalence of the class in focus with its interval, in brackets."""
    value = diagnosis.facts.value
    share, low, high = (value(f"labels.prevalence{end}") for end in ("", "_low", "_high"))
    if share is None:
        return ""
    known = low is not None and high is not None
    interval = f", 95 % interval {percent(low).removesuffix(' %')} to {percent(high)}" if known else ""
    return f" ({percent(share)}{interval})"


def not_read(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """Name the plan fields that are set but could not be read, with the options that give them.

    Returns
    -------
    list
        Labels with their sentences; what several runs lack is said once.
    """
    holders: dict[tuple[str, str], list[str]] = {}
    for each in diagnosis.unread:
        because = f"{file_and_line(each.where)}, {each.because}" if each.where else each.because
        holders.setdefault((each.field, clean(because)), []).append(each.run)
    groups: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for (name, because), runs in holders.items():
        groups.setdefault(tuple(runs), {}).setdefault(because, []).append(name)
    lines = []
    for runs_, reasons in groups.items():
        what = ", ".join(f"{listed(fields)} ({because})" for because, fields in reasons.items())
        options = " ".join(clean(option(field)) for fields in reasons.values() for field in fields)
        lines.append(("Not read" + (f" in {listed(runs_)}" if any(runs_) else ""), f"{what}: give {options}"))
    return lines


def file_and_line(where: Location) -> str:
    """Return a place without its column."""
    return str(replace(where, column=None))


def cost_line(costs: Mapping[str, float]) -> str:
    """Return memory, operations and queue of a step in a few words."""
    memory, operations, queue = (
        next((costs[name] for name in costs if name.removeprefix("cost.").startswith(start)), None)
        for start in ("bytes", "operations", "queue")
    )
    parts = [f"memory {size(memory)}"] if memory is not None else []
    parts += [quantity(operations, "operations")] if operations is not None else []
    each_step = f"{' and '.join(parts)} per step" if parts else ""
    line = ", ".join(filter(None, [each_step, f"queue {size(queue)}" if queue is not None else ""]))
    return line[:1].upper() + line[1:]


def cost_lines(costs: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return each cost as its meaning and its amount."""
    from imbalance_doctor.facts.base import fact_specs

    specs = fact_specs()
    lines = []
    for name, value in costs.items():
        spec = specs.get(name) or specs.get(f"cost.{name}")
        text = spec.help if spec else name.replace("_", " ").replace(".", " ")
        lines.append((text, quantity(value, spec.unit if spec else "")))
    return lines


def assumed(diagnosis: Diagnosis) -> list[str]:
    """Return everything that was assumed, once."""
    advice = diagnosis.recommendation
    return list(dict.fromkeys(map(clean, [*(advice.assumed if advice else ()), *diagnosis.assumptions])))


def verdict(advice: Recommendation) -> tuple[str, str]:
    """Return what to do in a few words, and why in a sentence or two."""
    loss = pasteable(advice.plan.loss)
    if not advice.feasible:
        return f"No plan with {loss} meets every rule", ""
    choice = advice.choices.get("loss")
    reasons = [sentence(rule_and_reason(text)[1]) for text in (choice.because if choice else ())]
    return f"Use {loss}", " ".join(reasons)


def answers(question: Question) -> str:
    """Return the options that together answer a question."""
    return listed(map(option, question.fields))


def in_the_way(diagnosis: Diagnosis, advice: Recommendation) -> tuple[list[Finding], list[Finding]]:
    """Part the findings of advice that cannot be met: those that stand in its way, and the rest."""
    if advice.feasible:
        return [], list(diagnosis.findings)
    placed = {finding.rule: finding for finding in diagnosis.findings}
    blocking = [placed.get(blocker.rule, blocker) for blocker in advice.blockers]
    rules = {finding.rule for finding in blocking}
    return blocking, [finding for finding in diagnosis.findings if finding.rule not in rules]


def lifting(diagnosis: Diagnosis, advice: Recommendation) -> list[str]:
    """Return what would make advice possible, without the remedies that stand beside the findings."""
    told = {f.rule for f in reported(diagnosis)}
    return [text for text in advice.remedies if rule_and_reason(text)[0] not in told]


def reason(choice: Choice) -> str:
    """Return the rules that bound a choice, and its reason."""
    told = [rule_and_reason(text) for text in choice.because]
    rules = dict.fromkeys(rule for rule, _ in told if rule)
    own = [clean(text) for rule, text in told if not rule][:1]
    return "; ".join(filter(None, [", ".join(rules), *own]))
