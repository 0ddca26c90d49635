"""Every fact, with its value, its unit, what it means, and what is missing where it is unknown.

JSON::

    {"version": 1, "subject": ["y.npy"],
     "facts": {"labels.rows": {"value": 99000, "unit": "rows", "help": "...", "needs": ["labels"],
                               "missing": []}, ...},
     "assumptions": ["..."]}

Every fact is there, in the order of declaration; ``value`` is null where it is unknown, and
``missing`` names the inputs that would help (none: what was given leaves it undefined). After them, each
figure of a class stands alone too: that of class 3 in ``scores.class_recall`` as ``scores.recall[3]``.

As ``prometheus`` all known numbers are written in the text format that the textfile collector of the
Prometheus node exporter reads::

    # HELP imbalance_doctor_scores_recall share of the positives that are found
    # TYPE imbalance_doctor_scores_recall gauge
    imbalance_doctor_scores_recall 0.75
    imbalance_doctor_scores_class_recall{class="0"} 0.99
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.judge import missing_of
from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.facts.base import Facts, FactSpec, fact_specs
from imbalance_doctor.gate import option
from imbalance_doctor.report._format import listed, plain, plural, quantity
from imbalance_doctor.report._markdown import bullets, code, escape, table
from imbalance_doctor.report._page import Page
from imbalance_doctor.report.json import dump

FORMATS = ("text", "json", "markdown", "prometheus")
PAGE_FORMATS = ("text", "json", "markdown")
_SHORT = 8
_CLASS_VECTOR = re.compile(r"^(labels|scores)\.class_")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")


def render(
    diagnosis: Diagnosis,
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
    verbose: bool = False,
) -> str:
    """Write the facts of a diagnosis.

    Parameters
    ----------
    format
        ``text``, ``json``, ``markdown`` or ``prometheus``.
    verbose
        Text and Markdown: name plan fields that were not given, and print long vectors in full.

    Raises
    ------
    InputError
        There is no such format for facts.
    """
    check_format(format, FORMATS)
    if format == "json":
        return dump(_document(diagnosis))
    if format == "prometheus":
        return _exposed(diagnosis.facts)
    groups = [
        (family, [spec for spec in specs if verbose or _wanted(spec, diagnosis.facts)])
        for family, specs in groupby(fact_specs().values(), key=lambda spec: spec.name.partition(".")[0])
    ]
    hidden = len(fact_specs()) - sum(len(specs) for _, specs in groups)
    subject = listed(diagnosis.subject)
    note = f"{plural(hidden, 'plan field')} not given; --verbose names them." if hidden else ""
    if format == "markdown":
        return _markdown(diagnosis, groups, subject, note, verbose=verbose)
    page = Page(color=color, width=width)
    page.line(("Facts", "bold"), f" of {subject}" if subject else "")
    for family, specs in groups:
        if specs:
            page.heading(family)
            page.table(
                ("fact", "value", "what it is"),
                [(s.name, _value(s, diagnosis.facts, verbose=verbose), s.help) for s in specs],
            )
    if diagnosis.assumptions:
        page.heading("Assumed")
        page.bullets(diagnosis.assumptions)
    if note:
        page.space()
        page.line((note, "dim"))
    return page.finish()


def check_format(name: str, known: Sequence[str] = PAGE_FORMATS) -> None:
    """Make sure that a format exists for this kind of page."""
    if name not in known:
        raise InputError(
            f"expected one of {', '.join(known)} here, but got '{name}'",
            where="--format",
            hint=did_you_mean(name, known),
        )


def _document(diagnosis: Diagnosis) -> Mapping[str, Any]:
    facts = diagnosis.facts
    return {
        "version": 1,
        "subject": diagnosis.subject,
        "facts": {
            spec.name: {
                "value": facts.value(spec.name),
                "unit": spec.unit,
                "help": spec.help,
                "needs": spec.needs,
                "missing": missing_of(spec.needs, facts) if facts.value(spec.name) is None else (),
            }
            for spec in fact_specs().values()
        }
        | {
            f"{spec.name.replace('.class_', '.')}[{place}]": {
                "value": value,
                "unit": spec.unit,
                "help": spec.help,
                "needs": spec.needs,
                "missing": (),
            }
            for spec, place, value in _by_class(facts)
        },
        "assumptions": diagnosis.assumptions,
    }


def _by_class(facts: Facts) -> Iterator[tuple[FactSpec, int, Any]]:
    """Yield each member of the vectors that hold one number per class."""
    for spec in fact_specs().values():
        if spec.kind == "vector" and _CLASS_VECTOR.search(spec.name):
            for place, value in enumerate(facts.value(spec.name) or ()):
                yield spec, place, value


def _exposed(facts: Facts) -> str:
    """Write the known numbers as gauges, grouped by metric as the format asks for."""
    members: dict[str, list[tuple[str, float]]] = {}
    for spec, place, value in _by_class(facts):
        members.setdefault(spec.name, []).append((f'{{class="{place}"}}', value))
    lines = []
    for spec in fact_specs().values():
        samples = members.get(spec.name, [])
        if spec.kind in {"number", "bool"}:
            samples = [("", facts.value(spec.name))]
        known = [(label, float(v)) for label, v in samples if v is not None and math.isfinite(v)]
        if not known:
            continue
        name = _NOT_IN_NAMES.sub("_", f"imbalance_doctor_{spec.name}")
        told = spec.help.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {name} {told}", f"# TYPE {name} gauge"]
        lines += [f"{name}{label} {value!r}" for label, value in known]
    return "\n".join([*lines, ""])


def _markdown(
    diagnosis: Diagnosis,
    groups: Sequence[tuple[str, Sequence[FactSpec]]],
    subject: str,
    note: str,
    *,
    verbose: bool,
) -> str:
    blocks = [f"## Facts of {escape(subject)}" if subject else "## Facts"]
    for family, specs in groups:
        if specs:
            rows = [
                (code(s.name), escape(_value(s, diagnosis.facts, verbose=verbose)), escape(s.help))
                for s in specs
            ]
            blocks += [f"### {escape(family)}", table(("fact", "value", "what it is"), rows)]
    if diagnosis.assumptions:
        blocks += ["### Assumed", bullets(map(escape, diagnosis.assumptions))]
    if note:
        blocks.append(escape(note))
    return "\n\n".join(blocks) + "\n"


def _wanted(spec: FactSpec, facts: Facts) -> bool:
    return not spec.name.startswith("plan.") or facts.value(spec.name) is not None


def _value(spec: FactSpec, facts: Facts, *, verbose: bool) -> str:
    value = plain(facts.value(spec.name))
    if value is None:
        lacking = [option(name) for name in missing_of(spec.needs, facts)]
        return f"needs {' and '.join(lacking)}" if lacking else "undefined here"
    if isinstance(value, list) and len(value) > _SHORT and not verbose:
        return f"{quantity(value[:_SHORT], spec.unit)}, and {len(value) - _SHORT:,} more"
    return quantity(value, spec.unit)
