"""One finding of a log that is being watched, in a few lines."""

from __future__ import annotations

from imbalance_doctor.engine.base import Finding
from imbalance_doctor.report._format import clean, first_sentence, listed, number
from imbalance_doctor.report._page import SEVERITY_STYLES, Page


def told(finding: Finding, *, color: bool = False, width: int = 100) -> str:
    """Write one finding."""
    page = Page(color=color, width=width)
    where = ""
    if finding.seen:
        where = (
            f" [{listed(dict.fromkeys(s.key for s in finding.seen))} from {number(finding.seen[0].first)}]"
        )
    page.line(
        clean(finding.message),
        (where, "dim"),
        lead=(f"{finding.severity}: {finding.rule}: ", SEVERITY_STYLES[finding.severity]),
    )
    if finding.remedy:
        page.line(first_sentence(finding.remedy), lead="remedy: ", indent=2)
    return page.finish()
