"""Symptoms that can be reproduced, and what a reproduction showed.

``reproduce --list --format json`` gives ``{"symptoms": [{"id", "covers", "claim"}]}``, a reproduction
``{"version": 1, "symptoms": [{"id", "covers", "claim", "with_cause", "expected", "seen", "appears",
"skipped", "source"}]}``, where `appears` is null for what was skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Protocol

from imbalance_doctor.replay.symptoms._result import Result
from imbalance_doctor.report._format import clean, plural
from imbalance_doctor.report._markdown import bullets, code, escape, table
from imbalance_doctor.report._page import Page
from imbalance_doctor.report.facts_table import check_format
from imbalance_doctor.report.json import dump

__all__ = ["render_list", "render_results"]


class _Known(Protocol):
    @property
    def covers(self) -> tuple[str, ...]: ...
    @property
    def claim(self) -> str: ...


def render_list(
    symptoms: Mapping[str, _Known],
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
) -> str:
    """Write what can be reproduced.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    if format == "json":
        known = [{"id": name, "covers": s.covers, "claim": s.claim} for name, s in symptoms.items()]
        return dump({"symptoms": known})
    columns = ("symptom", "covers", "claim")
    cells = [(name, ", ".join(s.covers), s.claim) for name, s in symptoms.items()]
    if format == "markdown":
        return table(columns, [(code(name), *map(escape, rest)) for name, *rest in cells]) + "\n"
    page = Page(color=color, width=width)
    page.table(columns, cells)
    page.space()
    page.line(plural(len(cells), "symptom"), "; `imbalance-doctor reproduce ID` shows one.")
    return page.finish()


def render_results(
    results: Sequence[Result],
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
) -> str:
    """Write what was expected and what was seen.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    if format == "json":
        return dump({"version": 1, "symptoms": [asdict(result) for result in results]})
    if format == "markdown":
        return "\n\n".join(_markdown(result) for result in results) + "\n"
    page = Page(color=color, width=width)
    for result in results:
        page.space()
        style = {True: "bold green", False: "bold red", None: "bold yellow"}[result.appears]
        page.line((clean(result.id), "bold"), "  ", (_ending(result), style))
        for label, body in _parts(result):
            page.labelled(label, clean(body), indent=2)
    if len(results) > 1:
        page.space()
        page.line(_count(results))
    return page.finish()


def _ending(result: Result) -> str:
    if result.skipped:
        return f"skipped: {result.skipped}"
    without = "" if result.with_cause else " without its cause"
    return f"{'appears' if result.appears else 'does not appear'}{without}"


def _parts(result: Result) -> Iterable[tuple[str, str]]:
    parts = (
        ("covers", ", ".join(result.covers)),
        ("claim", result.claim),
        ("scores", result.source),
        ("expected", result.expected),
        ("seen", result.seen),
    )
    return [(label, body) for label, body in parts if body]


def _count(results: Sequence[Result]) -> str:
    endings = [result.appears for result in results]
    skipped = f", {endings.count(None)} skipped" if None in endings else ""
    shown = f"{endings.count(True)} appear, {endings.count(False)} do not"
    return f"{plural(len(results), 'symptom')}: {shown}{skipped}."


def _markdown(result: Result) -> str:
    items = [f"**{label}**: {escape(clean(body))}" for label, body in _parts(result)]
    return f"## {code(result.id)}\n\n{escape(_ending(result))}\n\n{bullets(items)}"
