"""Text for people: calm colours in a terminal, plain words in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.recommend.base import Recommendation
from imbalance_doctor.report._format import (
    answers,
    assumed,
    by_severity,
    choice_value,
    clean,
    cost_line,
    cost_lines,
    first_sentence,
    headline,
    in_the_way,
    interval,
    lifting,
    listed,
    not_read,
    paragraphs,
    pasteable,
    plural,
    read,
    reason,
    rule_and_reason,
    sentence,
    size,
    unchecked,
    verdict,
)
from imbalance_doctor.report._measured import of_finding
from imbalance_doctor.report._page import SEVERITY_STYLES, Page
from imbalance_doctor.report._trained import trained, waiting

FORMAT = "text"
_MOST_INPUTS = 6


def render(
    diagnosis: Diagnosis,
    *,
    command: str = "",  # noqa: ARG001
    color: bool = False,
    width: int = 100,
    verbose: bool = False,
) -> str:
    """Write a diagnosis for reading."""
    page = Page(color=color, width=width)
    labels = read(diagnosis)
    if labels:
        page.line(labels)
    rest = diagnosis.findings
    if diagnosis.recommendation is not None:
        _advice(page, diagnosis, diagnosis.recommendation, verbose=verbose)
        rest = tuple(in_the_way(diagnosis, diagnosis.recommendation)[1])
    elif not diagnosis.readings:
        _header(page, diagnosis)
    if diagnosis.readings:
        trained(page, diagnosis, verbose=verbose)
        left = waiting(diagnosis)
        if left and diagnosis.trained:
            page.space()
            page.line(("More to check: ", "bold"), f"{left}.")
    else:
        _findings(page, rest, verbose=verbose)
        _unknown(page, diagnosis, verbose=verbose)
    _accepted(page, diagnosis, verbose=verbose)
    if diagnosis.recommendation is None and diagnosis.assumptions:
        page.space()
        page.line(("Assumed: ", "bold"), f"{clean('; '.join(diagnosis.assumptions))}.")
    page.space()
    style = "bold green" if diagnosis.exit.code == 0 else "bold red"
    page.unbroken((f"exit {diagnosis.exit.code}", style), f": {clean(diagnosis.exit.why)}")
    return page.finish()


def _header(page: Page, diagnosis: Diagnosis) -> None:
    subject = listed(diagnosis.subject) or "Options"
    page.line((subject, "bold"), f": {headline(diagnosis, diagnosis.findings)}")
    _not_read(page, diagnosis)


def _not_read(page: Page, diagnosis: Diagnosis) -> None:
    for label, what in not_read(diagnosis):
        page.line((f"{label}: ", "bold yellow"), what)


def _advice(page: Page, diagnosis: Diagnosis, advice: Recommendation, *, verbose: bool) -> None:
    what, why = verdict(advice)
    about = listed(diagnosis.subject)
    subject = f" for {about}" if about else ""
    style = "bold green" if advice.feasible else "bold red"
    page.line((what, style), f"{subject}{'.' if not why else f': {why}'}")
    _not_read(page, diagnosis)
    if advice.expected_gain:
        page.line(("Expected gain: ", "bold"), sentence(advice.expected_gain))
    if advice.choices:
        page.space()
        rows = [
            (name, choice_value(name, c.value), interval(c.low, c.high), reason(c))
            for name, c in advice.choices.items()
            if name != "loss"
        ]
        page.table(("choice", "value", "may move between", "why"), rows)
    if not advice.feasible:
        _infeasible(page, diagnosis, advice, verbose=verbose)
    page.space()
    if advice.costs:
        page.labelled("Cost", cost_line(advice.costs))
    if verbose:
        page.labelled("", *(f"{amount}: {clean(text)}" for text, amount in cost_lines(advice.costs)))
    taken = assumed(diagnosis)
    if taken:
        page.labelled("Assumed", "; ".join(taken))
    if advice.question is not None:
        question = advice.question
        page.labelled(
            "Question",
            f"{sentence(question.text)} Give {answers(question)}: {clean(question.effect)}.",
            style="bold cyan",
        )
    if advice.alternatives:
        page.heading("Not chosen")
        page.table(
            ("loss", "memory", "why not"),
            [
                (a.loss, "" if a.bytes is None else size(a.bytes), _brief(a.why_not, verbose=verbose))
                for a in advice.alternatives
            ],
        )
    if verbose:
        _reasons(page, advice)
    _code(page, advice, verbose=verbose)


def _brief(because: str, *, verbose: bool) -> str:
    rule, reason = rule_and_reason(because)
    if verbose:
        return because
    return f"{first_sentence(reason)} [{rule}]" if rule else first_sentence(reason)


def _infeasible(page: Page, diagnosis: Diagnosis, advice: Recommendation, *, verbose: bool) -> None:
    blocking, _ = in_the_way(diagnosis, advice)
    if blocking:
        page.heading("In the way")
        for finding in blocking:
            _finding(page, finding, verbose=verbose)
    page.heading("What would meet it:")
    page.bullets(lifting(diagnosis, advice) or ["nothing that was tried"])


def _reasons(page: Page, advice: Recommendation) -> None:
    page.heading("Why these values")
    for name, choice in advice.choices.items():
        page.line((clean(name), "bold"), f" {choice_value(name, choice.value)}", indent=2)
        page.bullets(choice.because, indent=4)
    if advice.merits:
        units = dict.fromkeys(m.unit.replace("_", " ") for m in advice.merits)
        page.heading("What each loss is worth here", listed(units))
        page.table(
            ("loss", "gain, 95 % interval", "because"),
            [
                (
                    m.loss,
                    f"{m.value:+.3g} ({m.low:+.3g} to {m.high:+.3g})",
                    f"{sentence(m.message)} [{m.basis}]",
                )
                for m in advice.merits
            ],
        )


def _code(page: Page, advice: Recommendation, *, verbose: bool) -> None:
    for number, (title, text) in enumerate(advice.code.items()):
        if number and not verbose:
            others = ", ".join(map(clean, list(advice.code)[1:]))
            page.space()
            page.line((f"The same for {others}: add --verbose.", "dim"))
            return
        page.heading(f"Code for {title}")
        page.code(text)


def _findings(page: Page, findings: Sequence[Finding], *, verbose: bool) -> None:
    for severity, members in by_severity(findings).items():
        page.space()
        page.line((plural(len(members), severity), SEVERITY_STYLES[severity]))
        for finding in members:
            _finding(page, finding, verbose=verbose)


def _finding(page: Page, finding: Finding, *, verbose: bool) -> None:
    place = clean(finding.where or finding.run)
    page.space()
    page.unbroken(
        (clean(finding.rule), SEVERITY_STYLES[finding.severity]),
        *((f"  {place}",) if place else ()),
        (f"  {finding.severity}, {finding.confidence} confidence", "dim"),
        indent=2,
    )
    page.line(clean(finding.message), indent=4)
    why = paragraphs(finding.why) if verbose else [first_sentence(finding.why)]
    remedy = paragraphs(finding.remedy)
    values = ", ".join(f"{clean(name)} {pasteable(value)}" for name, value in finding.suggest.items())
    details = [
        ("why", list(filter(None, why))),
        ("remedy", remedy if verbose else remedy[:1]),
        ("try", [values] if values else []),
        ("measured", list(filter(None, [of_finding(finding)]))),
    ]
    if verbose:
        facts = ", ".join(f"{name} {pasteable(value)}" for name, value in finding.facts.items())
        stated = (
            ("run", finding.run),
            ("covers", ", ".join(finding.covers)),
            ("cause", finding.cause),
            ("facts", facts),
        )
        details += [(label, [clean(text)]) for label, text in stated if text]
    column = 9 if finding.figures is None else 10
    for label, bodies in details:
        page.labelled(label, *bodies, style="dim", indent=4, column=column)


def _unknown(page: Page, diagnosis: Diagnosis, *, verbose: bool) -> None:
    page.space()
    if diagnosis.exit.code == 3:  # noqa: PLR2004  nothing could be evaluated
        page.line("Give --labels FILE for the data and --plan FILE (or plan options) for the training.")
    if not diagnosis.unknown:
        return
    phrases: Sequence[str] = unchecked(diagnosis.unknown, most=None if verbose else _MOST_INPUTS)
    rules = len({u.rule for u in diagnosis.unknown})
    page.line((f"Not checked, {plural(rules, 'rule')}: ", "bold"), f"{'; '.join(phrases)}.")
    if verbose:
        page.table(
            ("rule", "severity", "because"),
            [(u.rule, u.severity, f"{u.run + ': ' if u.run else ''}{u.because}") for u in diagnosis.unknown],
        )


def _accepted(page: Page, diagnosis: Diagnosis, *, verbose: bool) -> None:
    if diagnosis.suppressed:
        page.space()
        page.line((f"Suppressed, {plural(len(diagnosis.suppressed), 'finding')}", "bold"))
        if verbose:
            page.bullets(
                f"{s.finding.rule}: {s.reason}" + (f" ({s.source})" if s.source else "")
                for s in diagnosis.suppressed
            )
    if diagnosis.stale:
        page.heading("Stale")
        page.bullets(diagnosis.stale)
