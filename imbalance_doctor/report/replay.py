"""What a replay adds to a diagnosis: remedies tried on the same scores, and the response to other settings.

JSON has two more keys, each null where there is none::

    "remedy": {"settings": {"queue_size": 2000}, "before": {figures}, "after": {figures} or null,
               "resolved": ["rule-id"], "remaining": [...], "new": [...], "untried": ""},
    "sweep": {"axes": {"temperature": [0.001, ...]},
              "points": [{"settings": {...}, "figures": {figures}, "findings": {"rule-id": "error"}}]}

Figures are ``loss`` and ``chance_level`` (medians of the last fifth), ``gradient_norm`` (median),
``gradient_peak`` (its maximum over the median), ``gradient_share_positive`` (median),
``positives_with_gradient`` (mean share) and ``zero_loss_share``; null where nothing is known. A side of a
remedy also has ``findings``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.replay.remedy import Remedy, Trial
from imbalance_doctor.replay.sweep import Axis, Point
from imbalance_doctor.report import html
from imbalance_doctor.report._format import listed, number, pasteable
from imbalance_doctor.report._markdown import escape, table
from imbalance_doctor.report._page import Page
from imbalance_doctor.report.base import renderer
from imbalance_doctor.report.json import document, dump

_TITLES = {
    "loss": "loss",
    "chance_level": "chance",
    "gradient_norm": "gradient",
    "gradient_peak": "peak",
    "gradient_share_positive": "on pos.",
    "positives_with_gradient": "moved",
    "zero_loss_share": "zero",
}
_LEGEND = (
    "loss and chance: medians of the last fifth of the steps; gradient: median norm; peak: its maximum over "
    "that; on pos.: share of the gradient on positives; moved: share of positives with a gradient; zero: "
    "share of steps with a loss of 0"
)


def render(  # noqa: PLR0913  what every report takes, and the three things shown beside it
    diagnosis: Diagnosis,
    *,
    format: str,  # noqa: A002  the name of the option
    remedy: Remedy | None = None,
    axes: Sequence[Axis] = (),
    points: Sequence[Point] = (),
    command: str = "",
    color: bool = False,
    width: int = 100,
    verbose: bool = False,
) -> str:
    """Write a diagnosis with what the replays beside it showed.

    Formats that list findings alone (``github``, ``sarif``, ``junit``) stay as they are.
    """
    if format == "json":
        return dump(
            {
                **document(diagnosis, command=command),
                "remedy": None if remedy is None else _remedy(remedy),
                "sweep": _sweep(axes, points) if points else None,
            }
        )
    text = renderer(format)(diagnosis, command=command, color=color, width=width, verbose=verbose)
    parts = [_told(remedy)] if remedy is not None else []
    parts += [_response(axes, points)] if points else []
    if not parts:
        return text
    if format == "text":
        page = Page(color=color, width=width)
        for title, note, columns, rows in parts:
            page.heading(title)
            page.table(columns, rows)
            page.line((f"{note}.", "dim"))
        return _before(text, "\nexit ", f"\n{page.finish().rstrip()}\n", color=color)
    if format == "markdown":
        blocks = [
            f"### {title}\n\n{table(columns, [[escape(cell) for cell in row] for row in rows])}\n\n"
            f"{escape(note)}.\n\n"
            for title, note, columns, rows in parts
        ]
        return _before(text, "**exit ", "".join(blocks))
    if format == "html":
        blocks = [_html(*part) for part in parts]
        return _before(text, '<p><b class="', "\n".join(blocks) + "\n")
    return text


def _before(text: str, mark: str, section: str, *, color: bool = False) -> str:
    """Put a section in front of the line that tells the exit code."""
    # In colour the mark is behind an escape sequence, but its line is the last one.
    at = text.rstrip("\n").rfind("\n") if color else text.rfind(mark)
    return f"{text[:at]}{section}{text[at:]}"


def _html(title: str, note: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(c)}</td>' for c in row)}</tr>" for row in rows)
    return f'<h2>{title}</h2>\n<table><tr>{head}</tr>{body}</table>\n<p class="dim">{html.escape(note)}.</p>'


def _told(remedy: Remedy) -> tuple[str, str, Sequence[str], list[list[str]]]:
    """Say what the suggested settings change."""
    settings = ", ".join(f"{name} {pasteable(value)}" for name, value in remedy.settings.items())
    title = "Remedy, tried on these scores" if remedy.after else "Remedy, not tried"
    if remedy.after is None:
        return title, remedy.untried, ("settings",), [[settings]]
    gone = f"gone: {listed(remedy.resolved)}" if remedy.resolved else "no finding is gone"
    parts = [gone]
    parts += [f"still there: {listed(remedy.remaining)}"] if remedy.remaining else []
    parts += [f"new: {listed(remedy.new)}"] if remedy.new else []
    rows = [["before", *_cells(remedy.before.figures)], [settings, *_cells(remedy.after.figures)]]
    return title, "; ".join(parts), ("settings", *_TITLES.values()), rows


def _cells(figures: Mapping[str, float | None]) -> list[str]:
    return ["-" if (value := figures.get(name)) is None else number(value) for name in _TITLES]


def _response(
    axes: Sequence[Axis], points: Sequence[Point]
) -> tuple[str, str, Sequence[str], list[list[str]]]:
    """Say how the figures and the findings, which are numbered, depend on the settings."""
    names = [axis.name for axis in axes]
    grave = dict.fromkeys(rule for p in points for rule, severity in p.findings.items() if severity != "note")
    numbers = {rule: str(k) for k, rule in enumerate(grave, 1)}
    rows = [
        [
            *(pasteable(point.settings[name]) for name in names),
            *_cells(point.figures),
            " ".join(numbers[rule] for rule in point.findings if rule in numbers) or "-",
        ]
        for point in points
    ]
    found = ", ".join(f"{k} {rule}" for rule, k in numbers.items())
    note = f"{_LEGEND}; errors and warnings: {found}" if found else _LEGEND
    return "Response to the settings", note, (*names, *_TITLES.values(), "found"), rows


def _side(trial: Trial) -> dict[str, Any]:
    return {**trial.figures, "findings": dict(trial.findings)}


def _remedy(remedy: Remedy) -> dict[str, Any]:
    return {
        "settings": dict(remedy.settings),
        "before": _side(remedy.before),
        "after": None if remedy.after is None else _side(remedy.after),
        "resolved": remedy.resolved,
        "remaining": remedy.remaining,
        "new": remedy.new,
        "untried": remedy.untried,
    }


def _sweep(axes: Sequence[Axis], points: Sequence[Point]) -> dict[str, Any]:
    return {
        "axes": {axis.name: list(axis.values) for axis in axes},
        "points": [
            {"settings": dict(p.settings), "figures": dict(p.figures), "findings": dict(p.findings)}
            for p in points
        ],
    }
