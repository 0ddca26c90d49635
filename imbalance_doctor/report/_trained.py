"""What a training log shows, for reading: verdict, curves with what was found in them, causes, remedies."""

from __future__ import annotations

import math

from imbalance_doctor.diagnose import Diagnosis, TrainedRun
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.evidence import RANKING_LOSSES
from imbalance_doctor.gate import missing_inputs
from imbalance_doctor.report._curves import chosen, label, marks, spark, underline
from imbalance_doctor.report._format import (
    clean,
    first_sentence,
    listed,
    number,
    paragraphs,
    pasteable,
    plural,
    sentence,
)
from imbalance_doctor.report._measured import of_finding
from imbalance_doctor.report._page import SEVERITY_STYLES, Page
from imbalance_doctor.report._unlogged import unlogged

__all__ = ["axis", "headline", "likely", "loose", "place", "recorded", "trained", "understood", "waiting"]

WITNESSED = "on labelled runs with the same findings; none of them names it"
"""Said of a cause that no finding names."""
_CURVES, _EVERY_CURVE = 6, 40
_MOST_CAUSES, _MOST_MISSING, _MOST_FIELDS = 4, 4, 6
_VERDICT_STYLES = {"healthy": "bold green", "faulty": "bold red", "cannot tell": "bold yellow"}


def headline(run: TrainedRun) -> str:
    """Say what was judged: how long the run is, and its format."""
    log = run.log
    steps = [series.steps for series in log.series if len(series)]
    first, last = min(s[0] for s in steps), max(s[-1] for s in steps)
    about = [log.format, f"{axis(run, plural_=True)} {number(first)} to {number(last)}"]
    if log.crash:
        about.append(f"ended by {log.crash}")
    return ", ".join(filter(None, map(clean, about)))


def axis(run: TrainedRun, *, plural_: bool = False) -> str:
    """Return what the run's axis counts."""
    return run.log.axis + ("s" if plural_ else "")


def place(finding: Finding, run: TrainedRun) -> str:
    """Say where in the log a finding was seen: ``val_loss, epochs 12 to 40``.

    Returns
    -------
    str
        Empty for findings of the plan or the labels.
    """
    if not finding.seen:
        return ""
    first, last = min(s.first for s in finding.seen), max(s.last for s in finding.seen)
    keys = listed(dict.fromkeys(s.key for s in finding.seen))
    if first == last:
        return f"{keys}, {axis(run)} {number(first)}"
    return f"{keys}, {axis(run, plural_=True)} {number(first)} to {number(last)}"


def likely(run: TrainedRun) -> str:
    """Sum up the causes in a sentence; empty where there is none."""
    if not run.causes:
        return ""
    best = run.causes[0]
    if run.verdict != "faulty":
        return "Signs without visible harm of: " + listed(cause.id for cause in run.causes[:_MOST_CAUSES])
    if best.confidence == "low" and len(run.causes) > 1:
        ids = [cause.id for cause in run.causes[:_MOST_CAUSES]]
        return f"The log does not tell the causes apart: {listed(ids)}"
    return f"{'Most likely' if len(run.causes) > 1 else 'Cause'}: {best.id}, {best.confidence} confidence"


def loose(run: TrainedRun) -> list[Finding]:
    """Return the findings that no cause carries and no other finding explains."""
    carried = {f.rule for cause in run.causes for f in cause.findings}
    return [f for f in run.findings if f.rule not in carried and f.rule not in run.explained]


def waiting(diagnosis: Diagnosis) -> str:
    """Say what else could be checked with a plan, with more fields in it, or with labels."""
    rules: dict[str, set[str]] = {"plan": set(), "labels": set()}
    for each in diagnosis.unknown:
        if any(need.startswith("plan.") for need in each.missing):
            rules["plan"].add(each.rule)
        if "labels" in each.missing:
            rules["labels"].add(each.rule)
    phrases = [f"{plural(len(found), 'rule')} with --{name} FILE" for name, found in rules.items() if found]
    if rules["plan"] and any(run.facts.value("plan.loss") for run in diagnosis.trained):
        wanted = [name for name, _ in missing_inputs(diagnosis.unknown) if name.startswith("plan.")]
        fields = [name.removeprefix("plan.") for name in wanted[:_MOST_FIELDS]]
        more = len(wanted) - len(fields)
        named = listed([*fields, f"{more:,} more" if more else ""])
        phrases[0] = f"{plural(len(rules['plan']), 'rule')} with {named} in the plan"
    return listed(phrases)


def recorded(diagnosis: Diagnosis, *, verbose: bool) -> list[tuple[str, str, str]]:
    """Return what the logs lack: series, how many rules it would let speak, the code that records it."""
    if all(run.log.replayed for run in diagnosis.trained):
        return []  # nothing logs more into a replay
    most = 100 if verbose else _MOST_MISSING
    ranking = any(
        run.facts.value("trace.ranking") or run.facts.value("plan.loss") in RANKING_LOSSES
        for run in diagnosis.trained
    )
    found = unlogged(diagnosis.unknown, ranking=ranking, most=most)
    return [(name, plural(count, "rule"), code) for name, count, code in found]


def understood(diagnosis: Diagnosis) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what was read of each file: format and runs, then labels with their text."""
    told = []
    for reading in diagnosis.readings:
        what = reading.format
        if reading.instead:
            what = f"no training series; it is {reading.instead}"
        elif len(reading.runs) != 1:
            what += f", {plural(len(reading.runs), 'run')}"
        lines = []
        if reading.keys:
            lines.append(("keys", ", ".join(_pair(k, v) for k, v in reading.keys.items())))
        if reading.ignored:
            lines.append(("ignored", ", ".join(reading.ignored)))
        lines += [
            (f"{template.count:,} like", template.sample.strip())
            for template in reading.templates
            if template.keys
        ]
        if reading.unread:
            lines.append(("unread", f"{plural(reading.unread, 'line')} with numbers"))
        lines += [("note", note) for note in (*reading.notes, *(n for r in reading.runs for n in r.notes))]
        told.append((f"{reading.source}: {what}", [(a, clean(b)) for a, b in lines]))
    return told


def _pair(key: str, name: str) -> str:
    return key if key == name else f"{key} = {name}"


def trained(page: Page, diagnosis: Diagnosis, *, verbose: bool) -> None:
    """Write every run, and what was understood of the files."""
    for run in diagnosis.trained:
        page.space()
        name = clean(run.name or run.log.source)
        page.line((name, "bold"), ": ", (run.verdict, _VERDICT_STYLES[run.verdict]), f" ({headline(run)})")
        if run.because:
            page.line(sentence(run.because), indent=2)
        _curves(page, run, most=_EVERY_CURVE if verbose else _CURVES)
        if run.causes:
            _causes(page, run, verbose=verbose)
        elif run.verdict == "healthy":
            page.space()
            page.line(f"Checked: {_checked(run)}.", indent=2)
        _listed(page, run, loose(run), verbose=verbose)
    _read(page, diagnosis, verbose=verbose)


def _checked(run: TrainedRun) -> str:
    return listed(dict.fromkeys(label(s) for s in run.log.series if not s.part)) or "nothing"


def _curves(page: Page, run: TrainedRun, *, most: int) -> None:
    shown = chosen(run, most=most)
    if not shown:
        return
    page.space()
    names = [label(series) for series in shown]
    column = min(max(map(len, names)), 28)
    width = max(16, min(60, page.width - column - 30))
    for series, name in zip(shown, names, strict=True):
        first, last = (_value(float(v)) for v in (series.values[0], series.values[-1]))
        page.unbroken(
            (f"{clean(name):<{column}}  ", "bold"),
            f"{first:>9} ",
            (spark(series, width), "cyan"),
            f" {last}",
            indent=2,
        )
        found = marks(run, series)
        line = underline(series, width, found)
        if line:
            rules = ", ".join(dict.fromkeys(m.rule for m in found))
            worst = min((m.severity for m in found), key=list(SEVERITY_STYLES).index)
            start = 2 + column + 12
            fits = start + len(line) + 1 + len(rules) <= page.width
            beside = f" {rules}" if fits else ""
            page.unbroken((line, SEVERITY_STYLES[worst]), beside, indent=start)
            if not fits:
                page.line(rules, indent=max(2, min(start, page.width - max(map(len, rules.split())))))


def _value(value: float) -> str:
    return number(value) if math.isfinite(value) else str(value)


def _causes(page: Page, run: TrainedRun, *, verbose: bool) -> None:
    page.space()
    page.line((likely(run), "bold"), indent=2)
    written: list[Finding] = []
    for cause in run.causes if verbose else run.causes[:_MOST_CAUSES]:
        page.space()
        page.line((cause.id, "bold"), f" ({cause.score:.2f}): {sentence(cause.what)}", indent=2)
        if not cause.findings:
            page.labelled("seen", WITNESSED, style="dim", indent=4, column=9)
        symptoms = [f for f in cause.findings if f.rule in run.explained]
        for finding in cause.findings:
            if finding not in written and (verbose or finding not in symptoms):
                _finding(page, run, finding, verbose=verbose)
        again = [f.rule for f in cause.findings if f in written]
        if again:
            page.labelled("above", ", ".join(again), style="dim", indent=4, column=9)
        written += [f for f in cause.findings if verbose or f not in symptoms]
        if symptoms and not verbose:
            page.labelled("shows", ", ".join(f.rule for f in symptoms), style="dim", indent=4, column=9)
        if cause.remedy:
            remedy = paragraphs(cause.remedy)
            page.labelled("remedy", *(remedy if verbose else remedy[:1]), style="green", indent=4, column=9)
        if cause.suggest:
            values = ", ".join(f"{clean(name)} {pasteable(value)}" for name, value in cause.suggest.items())
            page.labelled("try", values, style="green", indent=4, column=9)


def _finding(page: Page, run: TrainedRun, finding: Finding, *, verbose: bool) -> None:
    where = place(finding, run) or clean(finding.where or "")
    symptom = " (a symptom)" if finding.rule in run.explained else ""
    page.line(
        f"{clean(finding.message)} ",
        (f"[{finding.rule}{symptom}{'; ' if where else ''}{where}]", "dim"),
        lead=(f"{finding.severity}: ", SEVERITY_STYLES[finding.severity]),
        indent=4,
    )
    told = of_finding(finding)
    if told:
        page.labelled("measured", told, style="dim", indent=6, column=10)
    if verbose:
        page.labelled("why", *paragraphs(finding.why), style="dim", indent=6, column=7)


def _listed(page: Page, run: TrainedRun, findings: list[Finding], *, verbose: bool) -> None:
    if not findings:
        return
    page.space()
    page.line(("Also found", "bold"), indent=2)
    for finding in findings:
        _finding(page, run, finding, verbose=verbose)
        if not verbose and finding.remedy:
            page.labelled("remedy", first_sentence(finding.remedy), style="dim", indent=6, column=9)


def _read(page: Page, diagnosis: Diagnosis, *, verbose: bool) -> None:
    missing = recorded(diagnosis, verbose=verbose)
    if missing:
        page.heading("Not in the log")
        for name, count, code in missing:
            page.line((name, "bold"), f": {count} would use it", indent=2)
            if code:
                page.code(code)
    told = understood(diagnosis)
    page.space()
    for what, lines in told:
        page.line(("Read ", "bold"), clean(what))
        for name, text in lines:
            page.labelled(
                name, text if verbose else _short(text, page.width * 2), style="dim", indent=2, column=10
            )


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 2].rstrip() + " …"
