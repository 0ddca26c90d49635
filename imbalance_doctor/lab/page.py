"""The stored results, written down: figures beside their targets, by cause, by data set, by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.lab.results import TARGETS, Results, Target
from imbalance_doctor.report._format import listed, number, plural
from imbalance_doctor.report._markdown import escape
from imbalance_doctor.report._markdown import table as markdown_table
from imbalance_doctor.report._measured import between, claim, counted
from imbalance_doctor.report._titled import Titled, titled
from imbalance_doctor.report.facts_table import check_format
from imbalance_doctor.report.json import dump

__all__ = ["readme_table", "render", "worse_than_claimed"]

_UNKNOWN = "not measured"
_FURTHER = {
    "false_alarms_on_healthy": "false alarms on healthy runs",
    "noted_on_healthy": "healthy runs with any finding, notes included",
    "cannot_tell": "verdict 'cannot tell'",
    "evidence_on_time": "steps named for the right cause hold its onset",
    "recovered": "named remedies that gave back half of the harm",
}
"""Shares beside the targets, which were measured or not."""
_BLANK = "-"
_REACHED = {True: "met", False: "missed", None: ""}


def render(
    results: Results,
    *,
    format: str = "text",  # noqa: A002  the name of the option
    color: bool = False,
    width: int = 100,
    verbose: bool = False,
    rules: Iterable[Rule] | None = None,
) -> str:
    """Write the results down.

    Parameters
    ----------
    verbose
        Every claim, not only how many there are of each verdict.
    rules
        Those whose figures are compared with their claims; None for the built-in ones.

    Raises
    ------
    InputError
        `format` is none of ``text``, ``json``, ``markdown``.
    """
    check_format(format)
    if format == "json":
        return dump(results.as_json())
    tables = _tables(results, load_rules() if rules is None else rules, verbose=verbose)
    return titled(
        tables,
        markdown=format == "markdown",
        color=color,
        width=width,
        heading="imbalance-doctor lab results",
        lead=f"{_when(results)}.",
    )


def readme_table(results: Results) -> str:
    """Return the figures beside their targets as Markdown, with date, seed and versions of each part."""
    rows = [list(map(escape, row)) for row in _rows(TARGETS, results)]
    claims = _verdicts(results)
    blocks = [markdown_table(("figure", "target", "measured", ""), rows)]
    if claims:
        blocks.append(f"Claims of the documents, measured again: {escape(claims)}.")
    blocks.append(f"{escape(_when(results))}.")
    return "\n\n".join(blocks) + "\n"


def worse_than_claimed(rules: Iterable[Rule]) -> list[tuple[str, str]]:
    """Return the rules that measure worse than their claim, each with what it claims and what it does."""
    return [(rule.id, told) for rule in rules if (told := claim(rule))]


def _tables(results: Results, rules: Iterable[Rule], *, verbose: bool) -> list[Titled]:
    tables = []
    targets = [t for t in TARGETS if not results.parts or t.part in results.parts]
    if targets:
        tables.append(Titled("Targets", ("figure", "target", "measured", ""), _rows(targets, results)))
    if results.diagnosis is not None:
        tables += _diagnosis(results.diagnosis.figures)
    if results.advice is not None:
        tables += [*_advice(results.advice.figures), *_always(results.advice.figures)]
    if results.diagnosis is not None or not results.parts:
        tables += _worse(list(rules))
    if results.claims is not None:
        columns = ("claim", "verdict", "document", "measured")
        rows = [
            (c["id"], c["verdict"] or _UNKNOWN, c["document"], c["measured"]) for c in results.claims.figures
        ]
        note = _verdicts(results)
        tables.append(Titled("Claims of the documents", columns, rows if verbose else (), note))
    return tables


def _when(results: Results) -> str:
    """Say when and with what each part was measured."""
    groups: dict[str, list[str]] = {}
    for name, part in results.parts.items():
        groups.setdefault(str(part.about), []).append(name)
    told = "; ".join(f"{listed(names)}: {about}" for about, names in groups.items())
    return f"Measured {told}" if told else "Nothing was measured yet"


def _rows(targets: Iterable[Target], results: Results) -> list[tuple[str, str, str, str]]:
    return [(t.what, _wanted(t), _measured(t, results), _REACHED[t.met(results)]) for t in targets]


def _wanted(target: Target) -> str:
    if target.least is not None:
        return f"at least {_amount(target, target.least)}"
    return "" if target.most is None else f"at most {_amount(target, target.most)}"


def _measured(target: Target, results: Results) -> str:
    value, low, high = (target.value(results, end) for end in ("", "_low", "_high"))
    if value is None:
        return _UNKNOWN
    if low is None or high is None:
        return _amount(target, value)
    ends = between(low, high) if target.share else f"{number(low)} to {number(high)}"
    return f"{_amount(target, value)} ({ends})"


def _amount(target: Target, value: float) -> str:
    return f"{number(round(100 * value, 1))} %" if target.share else number(value)


def _diagnosis(figures: Mapping[str, Any]) -> list[Titled]:
    known = {**figures, **figures.get("remedies", {})}
    further = [(what, counted(of)) for key, what in _FURTHER.items() if (of := known.get(f"{key}_of"))]
    rows = [
        (name, f"{n['runs']:,}", *(counted((n[key], n["runs"])) for key in ("detected", "top1", "top3")))
        for name, n in figures["by_cause"].items()
    ]
    runs = f"{figures['faulty_runs']:,} harmed runs, {figures['clean_runs']:,} healthy or unharmed"
    columns = ("cause", "runs", "noticed", "named first", "among three")
    by_cause = Titled("Diagnosis by cause", columns, rows, runs)
    return (
        [Titled("Beside the targets", ("figure", "measured"), further), by_cause] if further else [by_cause]
    )


def _worse(rules: Sequence[Rule]) -> list[Titled]:
    measured = sum(rule.figures is not None for rule in rules)
    worse = worse_than_claimed(rules)
    note = f"{plural(len(worse), 'rule')} of the {measured:,} measured ones"
    title = "Rules that measure worse than their claim"
    return [Titled(title, ("rule", "measured"), worse, note)] if measured else []


def _advice(figures: Mapping[str, Any]) -> list[Titled]:
    """Compare the advice with the best fixed choice, and the stated gain with what came, by data set."""
    against: list[tuple[str, ...]] = []
    gains: list[tuple[str, ...]] = []
    metrics: Counter[str] = Counter()
    for name, row in figures["by_dataset"].items():
        metric, chosen, best, stated, came = (
            number(row[key]) if key in row else _BLANK
            for key in ("metric", "chosen", "best", "stated", "came")
        )
        metrics[metric] += 1
        low, high = row.get("low"), row.get("high")
        ends = f" ({number(low)} to {number(high)})" if low is not None and high is not None else ""
        against.append((name, metric, chosen, f"{number(row['regret'])}{ends}", best))
        gains.append((name, stated, came))
    columns: tuple[str, ...] = ("data", "metric", "chosen", "regret", "best")
    count = plural(len(against), "data set")
    if len(metrics) == 1:  # the same words in every row are better said once
        columns = (columns[0], *columns[2:])
        against = [(row[0], *row[2:]) for row in against]
        count += f", {next(iter(metrics))}"
    note = (
        "regret: by how much the choice that was best on the other seeds beats the chosen loss "
        "(cross-fitted, so it may be negative); best: of the fixed choices, over all seeds"
    )
    told = "gain over plain cross-entropy, as the advice states it and as it came"
    return [
        Titled("Advice by data set", columns, against, f"{count}; {note}"),
        Titled("Stated gain by data set", ("data", "stated gain", "came"), gains, told),
    ]


def _always(figures: Mapping[str, Any]) -> list[Titled]:
    """Compare the advice with always taking one choice, where that was measured."""
    always, against = figures.get("always", {}), figures.get("against", {})
    rows, better = [], []
    advice = figures["mean_regret"]
    for name, regret in always.items():
        found = against.get(name)
        won = f"{found['wins']}, {found['ties']}, {found['losses']}" if found else _BLANK
        mean = regret["mean_regret"]
        rows.append((f"always {name}", number(mean), number(regret["worst_regret"]), won))
        if mean < advice:
            better.append(f"always {name}: mean regret {number(mean)}, below the advice's {number(advice)}")
    columns = ("choice", "mean regret", "worst", "advice wins, ties, loses")
    return [Titled("Against fixed choices", columns, rows, "; ".join(better))] if rows else []


def _verdicts(results: Results) -> str:
    """Count the claims by verdict; empty where none was measured."""
    if results.claims is None:
        return ""
    counts = Counter(claim["verdict"] or _UNKNOWN for claim in results.claims.figures)
    return ", ".join(f"{count:,} {verdict}" for verdict, count in counts.most_common())
