"""A root cause, written down: what it is, the rules that name it, and how often it was named rightly.

JSON::

    {"version": 1,
     "cause": {"id": "poisoned-queue", "what": "...", "covers": ["WU-6"],
               "rules": [{"id": "...", "severity": "error", "confidence": "high", "share": 1,
                          "title": "..."}],
               "measured": null or {"runs": 12, "detected": 11, "top1": 9, "top3": 10}}}

``share`` is 1 for a rule whose own cause it is, less for one that names it beside another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imbalance_doctor.causes import catalogue
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.report._measured import counted
from imbalance_doctor.report._titled import Titled, titled
from imbalance_doctor.report.facts_table import check_format
from imbalance_doctor.report.json import dump

__all__ = ["render_cause"]

_COUNTS = ("detected", "top1", "top3")


def render_cause(
    cause: str,
    rules: Iterable[Rule],
    measured: Mapping[str, int] | None,
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
) -> str:
    """Write everything about one cause of the catalogue.

    Parameters
    ----------
    rules
        All rules.
    measured
        Harmed runs of this cause (``runs``), and on how many of them a finding was made (``detected``),
        the cause named first (``top1``) and among the first three (``top3``); None where there was none.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    known = catalogue()[cause]
    shares = [(1.0 if rule.cause == cause else rule.also.get(cause, 0.0), rule) for rule in rules]
    naming = sorted(((share, rule) for share, rule in shares if share), key=lambda pair: -pair[0])
    if format == "json":
        body = {
            "id": cause,
            "what": known.what,
            "covers": known.covers,
            "rules": [
                {
                    "id": rule.id,
                    "severity": rule.severity,
                    "confidence": rule.confidence,
                    "share": share,
                    "title": rule.title,
                }
                for share, rule in naming
            ],
            "measured": measured and {key: measured[key] for key in ("runs", *_COUNTS)},
        }
        return dump({"version": 1, "cause": body})
    rows = [(r.id, r.severity, r.confidence, f"{share:g}", r.title) for share, r in naming]
    columns = ("rule", "severity", "confidence", "share", "what is wrong")
    tables = [Titled("Rules that name it", columns, rows, "share: 1 where it is the rule's own cause")]
    if measured is not None:
        runs = measured["runs"]
        told = ("harmed runs", "noticed", "named first", "among the first three")
        counts = [counted((measured[key], runs)) for key in _COUNTS]
        tables.append(Titled("Measured on labelled runs", told, [(f"{runs:,}", *counts)]))
    covers = f" It covers {', '.join(known.covers)}." if known.covers else ""
    lead = f"{cause} is a cause, not a rule: {known.what[:1].lower()}{known.what[1:]}.{covers}"
    lead += "" if measured else " It was not measured: no labelled run has it."
    last = "`imbalance-doctor rules explain RULE` tells all about one."
    return titled(
        tables, markdown=format == "markdown", color=color, width=width, heading=cause, lead=lead, last=last
    )
