"""Tables under titles, as text or as Markdown: what several pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imbalance_doctor.report._markdown import escape
from imbalance_doctor.report._markdown import table as markdown_table
from imbalance_doctor.report._page import Page

__all__ = ["Titled", "titled"]


@dataclass(frozen=True)
class Titled:
    """A table with its title, and a note above its rows; without rows the note stands alone."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def titled(
    tables: Iterable[Titled],
    *,
    markdown: bool,
    color: bool,
    width: int,
    heading: str = "",
    lead: str = "",
    last: str = "",
) -> str:
    """Write tables down.

    Parameters
    ----------
    heading
        Of the page, in Markdown.
    lead, last
        Sentences above and below the tables.
    """
    if markdown:
        blocks = [f"## {escape(heading)}"] if heading else []
        blocks += [escape(lead)] if lead else []
        for each in tables:
            blocks.append(f"### {escape(each.title)}")
            blocks += [f"{escape(each.note)}."] if each.note else []
            rows = [list(map(escape, row)) for row in each.rows]
            blocks += [markdown_table(each.columns, rows)] if rows else []
        return "\n\n".join([*blocks, escape(last)] if last else blocks) + "\n"
    page = Page(color=color, width=width)
    if lead:
        page.line(lead)
    for each in tables:
        page.heading(each.title)
        if each.note:
            page.line((f"{each.note}.", "dim"))
        if each.rows:
            page.table(each.columns, each.rows)
    if last:
        page.space()
        page.line((last, "dim"))
    return page.finish()
