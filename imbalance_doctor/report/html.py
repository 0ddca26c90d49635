"""One self-contained page: curves with what was found in them, causes, remedies. It opens offline.

Nothing is loaded from elsewhere and nothing runs: no script, and a policy in the page that forbids any.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape as _escape

from imbalance_doctor.diagnose import Diagnosis, TrainedRun
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.report import _trained as told
from imbalance_doctor.report._curves import chosen, label, marks
from imbalance_doctor.report._format import (
    assumed,
    by_severity,
    choice_value,
    clean,
    clean_lines,
    cost_line,
    headline,
    interval,
    not_read,
    paragraphs,
    pasteable,
    plural,
    read,
    reason,
    sentence,
    unchecked,
    verdict,
)
from imbalance_doctor.report._measured import of_finding
from imbalance_doctor.report._score_plots import pictures
from imbalance_doctor.report._svg import chart

FORMAT = "html"
_MOST_CURVES = 16

_STYLE = """
:root { --ink: #1c2430; --dim: #5d6878; --line: #d9dee6; --paper: #ffffff; --soft: #f5f7fa;
        --error: #b3261e; --warning: #9a5b00; --note: #1f5f8b; --good: #1b6e3c; --curve: #2f5d9b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --dim: #9aa5b4; --line: #333c49; --paper: #14181e; --soft: #1c222b;
          --error: #ff8a80; --warning: #f2b65c; --note: #7fc1ee; --good: #7bd49a; --curve: #8db6ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; color: var(--ink);
       background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
code, pre { font: .88em/1.45 ui-monospace, monospace; } pre { background: var(--soft); padding: .7rem;
       overflow-x: auto; border-radius: 6px; }
p { margin: .35rem 0; } .dim { color: var(--dim); } .error { color: var(--error); }
.warning { color: var(--warning); } .note { color: var(--note); } .good { color: var(--good); }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem;
         font-size: .85rem; font-weight: 600; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: .8rem 0; }
.card h3 { margin-top: 0; } .bar { height: 6px; background: var(--soft); border-radius: 3px; }
.bar i { display: block; height: 6px; border-radius: 3px; background: var(--curve); }
ul { margin: .3rem 0; padding-left: 1.2rem; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); padding: .3rem .6rem
         .3rem 0; } th { color: var(--dim); font-weight: 500; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .88rem; } svg { width: 100%; height: auto; display: block; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--dim); }
"""


def render(
    diagnosis: Diagnosis,
    *,
    command: str = "",
    color: bool = False,  # noqa: ARG001
    width: int = 100,  # noqa: ARG001
    verbose: bool = False,
) -> str:
    """Write a diagnosis as one HTML page."""
    title = f"imbalance-doctor {command}".rstrip()
    blocks = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="dim">{escape(", ".join(filter(None, diagnosis.subject)) or "Options")}</p>',
    ]
    labels = read(diagnosis)
    if labels:
        blocks.append(f"<p>{escape(labels)}.</p>")
    if diagnosis.recommendation is not None:
        blocks += _advice(diagnosis)
    if diagnosis.readings:
        for run in diagnosis.trained:
            blocks += _run(run, verbose=verbose)
        blocks += _scores(diagnosis)
        blocks += _recorded(diagnosis)
        blocks += _understood(diagnosis)
    else:
        blocks.append(f"<p>{escape(headline(diagnosis, diagnosis.findings))}</p>")
        blocks += [f"<p><b>{escape(a)}:</b> {escape(b)}</p>" for a, b in not_read(diagnosis)]
        for severity, members in by_severity(diagnosis.findings).items():
            blocks.append(
                f'<h2 class="{severity}">{escape(plural(len(members), severity).capitalize())}</h2>'
            )
            blocks += [f'<div class="card">{_finding(f, where=str(f.where or f.run))}</div>' for f in members]
        blocks += _scores(diagnosis)
        phrases = unchecked(diagnosis.unknown)
        if phrases:
            blocks.append(f'<p class="dim">Not checked: {escape("; ".join(phrases))}.</p>')
    blocks += _accepted(diagnosis)
    style = "good" if diagnosis.exit.code == 0 else "error"
    blocks.append(f'<p><b class="{style}">exit {diagnosis.exit.code}</b>: {escape(diagnosis.exit.why)}</p>')
    return _page(title, "\n".join(blocks))


def escape(text: object) -> str:
    """Return text that stands for itself in HTML, control characters made visible."""
    return _escape(clean(text)).encode("utf-8", "backslashreplace").decode("utf-8")


def _page(title: str, body: str) -> str:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _run(run: TrainedRun, *, verbose: bool) -> list[str]:
    style = {"healthy": "good", "faulty": "error", "cannot tell": "warning"}[run.verdict]
    blocks = [
        f'<h2>{escape(run.name or run.log.source)} <span class="badge {style}">{run.verdict}</span></h2>',
        f'<p class="dim">{escape(told.headline(run))}</p>',
    ]
    if run.because:
        blocks.append(f"<p>{escape(sentence(run.because))}</p>")
    shown = chosen(run, most=100 if verbose else _MOST_CURVES)
    if shown:
        figures = "".join(
            f"<figure><figcaption><b>{escape(label(series))}</b> "
            f"<span class='dim'>{escape(series.key)}</span></figcaption>"
            f"{chart(series, marks(run, series), axis=run.log.axis)}</figure>"
            for series in shown
        )
        blocks.append(f'<div class="curves">{figures}</div>')
    if run.causes:
        blocks.append(f"<p><b>{escape(told.likely(run))}</b></p>")
    written: list[Finding] = []
    for cause in run.causes:
        again = ", ".join(f.rule for f in cause.findings if f in written)
        inner = [
            f"<h3>{escape(cause.id)} <span class='dim'>{cause.score:.2f}</span></h3>",
            f'<div class="bar"><i style="width: {100 * cause.score:.0f}%"></i></div>',
            f"<p>{escape(sentence(cause.what))}</p>",
            *(
                _finding(f, where=told.place(f, run), symptom=f.rule in run.explained)
                for f in cause.findings
                if f not in written
            ),
            f"<p class='dim'>Told above: {escape(again)}</p>" if again else "",
            "" if cause.findings else f"<p class='dim'>Seen {escape(told.WITNESSED)}.</p>",
        ]
        written += cause.findings
        blocks.append(f'<div class="card">{"".join(inner)}</div>')
    rest = told.loose(run)
    if rest:
        blocks.append("<h3>Also found</h3>")
        blocks += [f'<div class="card">{_finding(f, where=told.place(f, run))}</div>' for f in rest]
    return blocks


def _finding(finding: Finding, *, where: str = "", symptom: bool = False) -> str:
    place = f" · {escape(where)}" if where else ""
    kind = "symptom of the above" if symptom else f"{finding.severity}, {finding.confidence} confidence"
    values = ", ".join(f"{name} {pasteable(value)}" for name, value in finding.suggest.items())
    facts = ", ".join(f"{name} {pasteable(value)}" for name, value in finding.facts.items())
    head = f'<b class="{finding.severity}">{escape(finding.rule)}</b>'
    kind = f'<span class="dim">{escape(kind)}{place}</span>'
    parts = [f"<p>{head} {kind}<br>{escape(finding.message)}</p>"]
    if not symptom and finding.remedy:
        parts.append(f"<p><b>Remedy:</b> {_paragraphs(finding.remedy)}</p>")
    if values:
        parts.append(f"<p><b>Try:</b> <code>{escape(values)}</code></p>")
    measured = of_finding(finding)
    if measured:
        parts.append(f"<p class='dim'>Measured: {escape(measured)}</p>")
    why = f"<p>{_paragraphs(finding.why)}</p>" if finding.why else ""
    if why or facts:
        parts.append(
            f"<details><summary>why</summary>{why}<p class='dim'><code>{escape(facts)}</code></p></details>"
        )
    return "".join(parts)


def _paragraphs(text: str) -> str:
    return "<br>".join(escape(p) for p in paragraphs(text))


def _advice(diagnosis: Diagnosis) -> list[str]:
    advice = diagnosis.recommendation
    assert advice is not None  # noqa: S101  the caller looked
    what, why = verdict(advice)
    blocks = [f"<h2>{escape(what)}</h2>", f"<p>{escape(why)}</p>"]
    if advice.expected_gain:
        blocks.append(f"<p><b>Expected gain:</b> {escape(sentence(advice.expected_gain))}</p>")
    rows = [
        (name, choice_value(name, c.value), interval(c.low, c.high), reason(c))
        for name, c in advice.choices.items()
    ]
    blocks.append(_table(("choice", "value", "may move between", "why"), rows))
    if advice.costs:
        blocks.append(f"<p><b>Cost:</b> {escape(cost_line(advice.costs))}</p>")
    taken = assumed(diagnosis)
    if taken:
        blocks.append(f"<p><b>Assumed:</b> {escape('; '.join(taken))}</p>")
    for title, text in advice.code.items():
        code = _escape(clean_lines(text))
        blocks.append(f"<details><summary>Code for {escape(title)}</summary><pre>{code}</pre></details>")
    return blocks


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _recorded(diagnosis: Diagnosis) -> list[str]:
    missing = told.recorded(diagnosis, verbose=True)
    if not missing or not diagnosis.trained:
        return []
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(count)}</td><td><code>{escape(code)}</code></td></tr>"
        for name, count, code in missing
    )
    head = "<tr><th>series</th><th>would serve</th><th>to record it</th></tr>"
    title = f"<summary>Not in the log: {len(missing)} series</summary>"
    return [f"<details>{title}<table>{head}{rows}</table></details>"]


def _understood(diagnosis: Diagnosis) -> list[str]:
    blocks = ["<h2>What was read</h2>"]
    for what, lines in told.understood(diagnosis):
        items = "".join(
            f"<li><b>{escape(name)}:</b> <code>{escape(text)}</code></li>" for name, text in lines
        )
        blocks.append(f"<p>{escape(what)}</p><ul>{items}</ul>")
    left = told.waiting(diagnosis)
    if left and diagnosis.trained:
        blocks.append(f"<p>More to check: {escape(left)}.</p>")
    return blocks


def _scores(diagnosis: Diagnosis) -> list[str]:
    shown = pictures(diagnosis)
    if not shown:
        return []
    scores = diagnosis.facts.family("scores")
    figures = "".join(
        f"<figure><figcaption><b>{escape(one.title)}</b> "
        f"<span class='dim'>{escape(one.note)}</span></figcaption>{one.svg}</figure>"
        for one in shown
    )
    about = f"{plural(scores.rows, 'row')}, {scores.num_classes:,} classes"
    if scores.focus_class is not None:
        about += f"; the class shown against the rest: {scores.focus_class}"
    return [f'<h2>Scores</h2><p class="dim">{escape(about)}</p><div class="curves">{figures}</div>']


def _accepted(diagnosis: Diagnosis) -> list[str]:
    items = [
        f"{s.finding.rule}: {s.reason}" + (f" ({s.source})" if s.source else "") for s in diagnosis.suppressed
    ]
    items += [f"stale: {text}" for text in diagnosis.stale]
    if not items:
        return []
    return ["<h3>Accepted</h3><ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"]
