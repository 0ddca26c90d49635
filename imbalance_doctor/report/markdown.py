"""Markdown for pull requests and for the job summary of GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterable

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.recommend.base import Recommendation
from imbalance_doctor.report import _trained as told
from imbalance_doctor.report._format import (
    answers,
    assumed,
    by_severity,
    choice_value,
    cost_line,
    cost_lines,
    first_sentence,
    headline,
    in_the_way,
    interval,
    lifting,
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
from imbalance_doctor.report._markdown import bullets, code, escape, fence, table
from imbalance_doctor.report._measured import of_finding

FORMAT = "markdown"


def render(
    diagnosis: Diagnosis,
    *,
    command: str = "",
    color: bool = False,  # noqa: ARG001
    width: int = 100,  # noqa: ARG001
    verbose: bool = False,
) -> str:
    """Write a diagnosis as Markdown."""
    title = f"imbalance-doctor {command}".rstrip()
    blocks = [f"## {escape(title)}"]
    labels = read(diagnosis)
    if labels:
        blocks.append(f"{escape(labels)}.")
    rest = diagnosis.findings
    if diagnosis.recommendation is not None:
        blocks += _advice(diagnosis, diagnosis.recommendation, verbose=verbose)
        rest = tuple(in_the_way(diagnosis, diagnosis.recommendation)[1])
    else:
        subject = ", ".join(map(code, filter(None, diagnosis.subject))) or "Options"
        blocks.append(f"{subject}: {escape(headline(diagnosis, diagnosis.findings))}")
        blocks += _not_read(diagnosis)
    if diagnosis.readings:
        blocks += _trained(diagnosis)
    for severity, members in by_severity(rest).items():
        blocks.append(f"### {escape(plural(len(members), severity).capitalize())}")
        for finding in members:
            blocks += _finding(finding, verbose=verbose)
    blocks += _rest(diagnosis, verbose=verbose)
    blocks.append(f"**exit {diagnosis.exit.code}**: {escape(diagnosis.exit.why)}")
    return "\n\n".join(blocks) + "\n"


def _trained(diagnosis: Diagnosis) -> list[str]:
    """Write the verdict and the causes of each run; the findings follow by severity."""
    blocks = []
    for run in diagnosis.trained:
        name = code(run.name or run.log.source)
        blocks.append(f"### {name}: {run.verdict}")
        blocks.append(escape(sentence(run.because)) if run.because else escape(told.headline(run)))
        rows = [
            (
                code(c.id),
                f"{c.score:.2f}",
                escape(sentence(c.what)),
                ", ".join(code(f.rule) for f in c.findings),
            )
            for c in run.causes
        ]
        if rows:
            blocks.append(table(("cause", "score", "what it is", "findings"), rows))
    blocks += [
        f"{code(r.source)}: no training series; it is {escape(r.instead)}"
        for r in diagnosis.readings
        if r.instead
    ]
    return blocks


def _advice(diagnosis: Diagnosis, advice: Recommendation, *, verbose: bool) -> list[str]:
    what, why = verdict(advice)
    about = ", ".join(map(code, filter(None, diagnosis.subject)))
    subject = f" for {about}" if about else ""
    blocks = [f"**{escape(what)}**{subject}" + (f": {escape(why)}" if why else "."), *_not_read(diagnosis)]
    if advice.expected_gain:
        blocks.append(f"Expected gain: {escape(sentence(advice.expected_gain))}")
    blocks += _choices(advice, verbose=verbose)
    if not advice.feasible:
        blocks += _infeasible(diagnosis, advice, verbose=verbose)
    blocks += _beside(diagnosis, advice, verbose=verbose)
    for number, (title, text) in enumerate(advice.code.items()):
        if number == 0 or verbose:
            blocks += [f"### Code for {escape(title)}", fence(text, "python")]
    return blocks


def _not_read(diagnosis: Diagnosis) -> list[str]:
    return [f"**{escape(label)}**: {escape(what)}" for label, what in not_read(diagnosis)]


def _choices(advice: Recommendation, *, verbose: bool) -> list[str]:
    rows = [
        [
            code(name),
            escape(choice_value(name, choice.value)),
            escape(interval(choice.low, choice.high)),
            "<br>".join(map(escape, choice.because)) if verbose else escape(reason(choice)),
        ]
        for name, choice in advice.choices.items()
    ]
    return [table(("choice", "value", "may move between", "why"), rows)] if rows else []


def _infeasible(diagnosis: Diagnosis, advice: Recommendation, *, verbose: bool) -> list[str]:
    blocks = []
    blocking, _ = in_the_way(diagnosis, advice)
    if blocking:
        blocks.append("### In the way")
        for finding in blocking:
            blocks += _finding(finding, verbose=verbose)
    remedies = lifting(diagnosis, advice) or ["nothing that was tried"]
    return [*blocks, "### What would meet it:", bullets(map(escape, remedies))]


def _beside(diagnosis: Diagnosis, advice: Recommendation, *, verbose: bool) -> list[str]:
    facts = [f"Cost: {escape(cost_line(advice.costs))}"] if advice.costs else []
    if verbose:
        facts += [f"Cost: {escape(f'{amount}: {text}')}" for text, amount in cost_lines(advice.costs)]
    taken = assumed(diagnosis)
    if taken:
        facts.append(f"Assumed: {escape('; '.join(taken))}")
    if advice.question is not None:
        question = advice.question
        facts.append(
            f"Question: {escape(sentence(question.text))} Give {escape(answers(question))}: "
            f"{escape(question.effect)}."
        )
    blocks = [bullets(facts)] if facts else []
    if advice.alternatives:
        rows = [
            [code(a.loss), "" if a.bytes is None else escape(size(a.bytes)), escape(_brief(a.why_not))]
            for a in advice.alternatives
        ]
        blocks += ["### Not chosen", table(("loss", "memory", "why not"), rows)]
    return blocks


def _brief(because: str) -> str:
    rule, reason = rule_and_reason(because)
    return f"{first_sentence(reason)} [{rule}]" if rule else first_sentence(reason)


def _finding(finding: Finding, *, verbose: bool) -> list[str]:
    place = finding.where if finding.where is not None else finding.run
    blocks = [
        f"**{finding.severity}** {code(finding.rule)}"
        + (f" at {code(place)}" if place else "")
        + f" ({finding.confidence} confidence)",
        escape(finding.message),
    ]
    why = paragraphs(finding.why) if verbose else [first_sentence(finding.why)]
    details = [f"Why: {escape(' '.join(why))}"] if any(why) else []
    if finding.remedy:
        details.append(f"Remedy: {escape(' '.join(paragraphs(finding.remedy)))}")
    if finding.suggest:
        values = ", ".join(f"{code(name)} {escape(pasteable(v))}" for name, v in finding.suggest.items())
        details.append(f"Try: {values}")
    measured = of_finding(finding)
    if measured:
        details.append(f"Measured: {escape(measured)}")
    if verbose and finding.covers:
        details.append(f"Covers: {escape(', '.join(finding.covers))}")
    return [*blocks, bullets(details)] if details else blocks


def _rest(diagnosis: Diagnosis, *, verbose: bool) -> list[str]:
    blocks = []
    if diagnosis.unknown:
        rules = plural(len({u.rule for u in diagnosis.unknown}), "rule")
        blocks.append(f"### Not checked, {rules}")
        blocks.append(bullets(map(escape, unchecked(diagnosis.unknown))))
        if verbose:
            rows = [[code(u.rule), u.severity, escape(u.because)] for u in diagnosis.unknown]
            blocks.append(table(("rule", "severity", "because"), rows))
    blocks += _listed(
        f"Suppressed, {plural(len(diagnosis.suppressed), 'finding')}",
        (
            f"{s.finding.rule}: {s.reason}" + (f" ({s.source})" if s.source else "")
            for s in diagnosis.suppressed
        ),
    )
    blocks += _listed("Stale", diagnosis.stale)
    if diagnosis.recommendation is None:
        blocks += _listed("Assumed", diagnosis.assumptions)
    return blocks


def _listed(title: str, items: Iterable[str]) -> list[str]:
    lines = list(map(escape, items))
    return [f"### {title}", bullets(lines)] if lines else []
