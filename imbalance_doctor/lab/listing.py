"""The kinds of run, and runs that were made, written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.runs import MILD, SEVERE, Labelled
from imbalance_doctor.report._format import number
from imbalance_doctor.report._titled import Titled, titled
from imbalance_doctor.report.facts_table import check_format
from imbalance_doctor.report.json import dump

__all__ = ["render_kinds", "render_runs"]

_HARM = (
    f"harm, by average precision lost against the twin: severe {SEVERE:g} or more; mild {MILD:g} or more; "
    "harmless less; unsure where the loss may be chance, or where the run ended far below what the data give "
    "and no worse than its twin."
)


def render_kinds(
    kinds: Iterable[Kind],
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
) -> str:
    """Write down faults with the causes that explain them, and healthy kinds.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    kinds = list(kinds)
    if format == "json":
        return dump(
            [
                {"id": k.id, "what": k.what, "causes": list(k.causes), "twin": k.of, "ugly": k.ugly}
                for k in kinds
            ]
        )
    faulty = [(k.id, ", ".join(k.causes), k.what) for k in kinds if k.is_fault]
    fine = [(k.id, k.ugly or "plainly healthy", k.what) for k in kinds if not k.is_fault]
    tables = (
        Titled("Faults", ("fault", "right causes", "what it is"), faulty),
        Titled("Healthy kinds", ("kind", "why it may look ill", "what it is"), fine),
    )
    return titled(
        [table for table in tables if table.rows],
        markdown=format == "markdown",
        color=color,
        width=width,
    )


def render_runs(
    labels: Sequence[Labelled],
    folder: Path,
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
) -> str:
    """Write down where runs lie, how they ended, and whether they were harmed.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    if format == "json":
        return dump([_row(label, folder) for label in labels])
    rows = [
        (
            str(folder / "runs" / label.name),
            number(label.outcome),
            number(label.twin),
            label.harm,
            ", ".join(label.causes),
        )
        for label in labels
    ]
    columns = ("run", "average precision", "of its twin", "harm", "right causes")
    return titled(
        [Titled("Runs", columns, rows)] if rows else [],
        markdown=format == "markdown",
        color=color,
        width=width,
        last=_HARM if rows else "",
    )


def _row(label: Labelled, folder: Path) -> dict[str, Any]:
    return {
        "run": str(folder / "runs" / label.name),
        "kind": label.kind,
        "world": label.world,
        "seed": label.seed,
        "outcome": label.outcome,
        "twin": label.twin,
        "harm": label.harm,
        "causes": list(label.causes),
        "onset": label.onset,
        "dialect": label.dialect,
    }
