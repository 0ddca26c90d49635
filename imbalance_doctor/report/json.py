"""JSON for other programs: one versioned object, relied on by outsiders.

::

    {
      "version": 1,
      "command": "recommend",                   absent when unknown
      "subject": ["y.npy"],                     what was judged, as file names
      "recommendation": {                       null for other commands; choices by plan field
        "loss": {"value": "smooth-ap", "because": ["..."]},
        "queue_size": {"value": 4096, "low": 2048, "high": 16384, "because": ["..."]},
        "max_pool_size": {"value": null, "low": null, "high": null, "because": ["..."]}, ...
      },
      "feasible": true,                         these come with a recommendation only
      "plan": {"loss": "smooth-ap", ...},       the whole plan, which `check` reads
      "expected_gain": "...",
      "alternatives": [{"loss", "why_not", "bytes", "plan"}],
      "merits": [{"rule", "loss", "value", "low", "high", "one_low", "one_high", "unit", "basis",
                  "message", "covers", "facts"}],
      "question": {"fields", "text", "effect"}, or null
      "costs": {"cost.bytes_planned": 65536},
      "code": {"imbalanced_losses": "..."},     by title, the first is the one to use
      "assumed": ["..."],
      "blockers": [finding, ...],               when not feasible: what stands in the way
      "remedies": ["..."],                      and what would lift it
      "verdict": "faulty",                      these come with training logs only
      "causes": [{"cause", "what", "score", "confidence", "findings": [finding, ...], "remedy", "covers"}],
      "runs": [{"name", "source", "format", "axis", "verdict", "because", "causes", "explained", "facts",
                "crash", "series": [{"key", "name", "phase", "part", "points", "first", "last"}]}],
      "read": {"format", "runs", "keys": {"log key": "meaning"}, "ignored", "instead",
               "files": [{"source", "format", "runs", "keys", "ignored", "instead", "unread", "notes",
                          "templates": [{"sample", "count", "keys"}]}]},
      "findings": [{"rule", "title", "severity", "confidence", "message", "why", "remedy", "covers",
                    "cause", "also", "explains", "facts", "suggest", "where", "run", "measured",
                    "steps", "evidence"}],
      "unknown": [{"rule", "severity", "missing", "because", "run"}],
      "suppressed": [{"reason", "source", "finding"}],
      "stale": ["..."],
      "passed": ["rule-id", ...],
      "not_applicable": {"rule-id": "because"},
      "facts": {"pool.size": {"value": 1280, "unit": "rows"}, ...},
      "assumptions": ["..."],
      "unread": [{"field", "because", "run", "where"}],  plan fields that are set, but not known
      "exit": {"code": 0, "why": "no findings"}
    }

``measured`` is null, or on how many labelled runs the rule fired::

    {"right", "fires_right",           harmed runs of the rule's cause
     "clean", "fires_clean",           healthy runs, and those that their fault did no harm
     "fires", "fires_harmless",        all firings, and those on runs that the rule's own fault did no harm
     "detection", "alarms", "precision", each with "..._low" and "..._high": shares of these; null of no runs
     "claimed"}                        the confidence that the rule claims, where it is worth less, else null

A finding in a training log has ``steps`` [first, last] on the run's axis and ``evidence``, for each series
``{"steps": [first, last], "lines": [first, last]}``; else null and empty. After `diagnose` there are
``verdict`` (healthy, faulty, cannot tell), ``causes`` and ``read`` too: of the worst run at the top, and of
each run in ``runs``.

``where`` is ``{"path", "line", "column"}`` or null. ``severity`` is error, warning or note; ``confidence``
high, medium or low. ``low`` and ``high`` are absent where a value is a word. Numbers are not rounded; one
that is not finite is null. The text is ASCII. Within version 1, keys may be added.
"""

from __future__ import annotations

import math
from typing import Any

from imbalance_doctor.causes import Cause
from imbalance_doctor.diagnose import Diagnosis, Suppressed, TrainedRun
from imbalance_doctor.engine.base import Finding, Merit, Unknown
from imbalance_doctor.evidence import Location
from imbalance_doctor.recommend.base import Choice, Recommendation
from imbalance_doctor.report._format import plain
from imbalance_doctor.sources.logs.base import LogReading

FORMAT = "json"
_VERSION = 1
_VERDICTS = ("faulty", "cannot tell", "healthy")  # the worst first


def render(
    diagnosis: Diagnosis,
    *,
    command: str = "",
    color: bool = False,  # noqa: ARG001
    width: int = 100,  # noqa: ARG001
    verbose: bool = False,  # noqa: ARG001
) -> str:
    """Write a diagnosis as JSON; see the module for the structure."""
    return dump(document(diagnosis, command=command))


def dump(value: object) -> str:
    """Write any value of ours as strict JSON in a fixed order."""
    import json

    return json.dumps(_strict(plain(value)), indent=2, allow_nan=False) + "\n"


def document(diagnosis: Diagnosis, *, command: str = "") -> dict[str, Any]:
    """Return the structure, before it is made strict."""
    from imbalance_doctor.facts.base import fact_specs

    advice = diagnosis.recommendation
    specs = fact_specs()
    return {
        "version": _VERSION,
        **({"command": command} if command else {}),
        "subject": diagnosis.subject,
        "recommendation": {n: _choice(c) for n, c in advice.choices.items()} if advice else None,
        **(_beside(advice) if advice else {}),
        **(_trained(diagnosis) if diagnosis.readings else {}),
        "findings": [_finding(f) for f in diagnosis.findings],
        "unknown": [_unknown(u) for u in diagnosis.unknown],
        "suppressed": [_suppressed(s) for s in diagnosis.suppressed],
        "stale": diagnosis.stale,
        "passed": diagnosis.passed,
        "not_applicable": dict(sorted(diagnosis.not_applicable.items())),
        "facts": {n: {"value": v, "unit": specs[n].unit} for n, v in diagnosis.facts.known().items()},
        "assumptions": diagnosis.assumptions,
        "unread": [
            {"field": u.field, "because": u.because, "run": u.run, "where": _where(u.where)}
            for u in diagnosis.unread
        ],
        "exit": {"code": diagnosis.exit.code, "why": diagnosis.exit.why},
    }


def _beside(advice: Recommendation) -> dict[str, Any]:
    question = advice.question
    return {
        "feasible": advice.feasible,
        "plan": advice.plan.known(),
        "expected_gain": advice.expected_gain,
        "alternatives": [
            {
                "loss": a.loss,
                "why_not": a.why_not,
                "bytes": a.bytes,
                "plan": a.plan.known() if a.plan else None,
            }
            for a in advice.alternatives
        ],
        "merits": [_merit(m) for m in advice.merits],
        "question": (
            {"fields": question.fields, "text": question.text, "effect": question.effect}
            if question
            else None
        ),
        "costs": advice.costs,
        "code": advice.code,
        "assumed": advice.assumed,
        "blockers": [_finding(f) for f in advice.blockers],
        "remedies": advice.remedies,
    }


def _trained(diagnosis: Diagnosis) -> dict[str, Any]:
    runs, readings = diagnosis.trained, diagnosis.readings
    worst = min(runs, key=lambda run: _VERDICTS.index(run.verdict), default=None)
    return {
        "verdict": worst.verdict if worst else "cannot tell",
        "causes": [_cause(cause) for cause in worst.causes] if worst else [],
        "runs": [_run(run) for run in runs],
        "read": {
            "format": ", ".join(dict.fromkeys(r.format for r in readings)),
            "runs": len(runs),
            "keys": {key: name for reading in readings for key, name in reading.keys.items()},
            "ignored": list(dict.fromkeys(key for reading in readings for key in reading.ignored)),
            "instead": "; ".join(dict.fromkeys(r.instead for r in readings if r.instead)),
            "files": [_reading(reading) for reading in readings],
        },
    }


def _run(run: TrainedRun) -> dict[str, Any]:
    log = run.log
    facts = run.facts.known()
    return {
        "name": run.name,
        "source": log.source,
        "format": log.format,
        "axis": log.axis,
        "verdict": run.verdict,
        "because": run.because,
        "causes": [_cause(cause) for cause in run.causes],
        "explained": dict(run.explained),
        "facts": {name: facts[name] for name in facts if name.startswith(("training.", "trace."))},
        "crash": log.crash,
        "series": [
            {
                "key": series.key,
                "name": series.name,
                "phase": series.phase,
                "part": series.part,
                "points": len(series),
                "first": float(series.steps[0]),
                "last": float(series.steps[-1]),
            }
            for series in log.series
        ],
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "cause": cause.id,
        "what": cause.what,
        "score": cause.score,
        "confidence": cause.confidence,
        "findings": [_finding(f) for f in cause.findings],
        "remedy": cause.remedy,
        "covers": cause.covers,
    }


def _reading(reading: LogReading) -> dict[str, Any]:
    return {
        "source": reading.source,
        "format": reading.format,
        "runs": len(reading.runs),
        "keys": dict(reading.keys),
        "ignored": reading.ignored,
        "instead": reading.instead,
        "unread": reading.unread,
        "notes": (*reading.notes, *(note for run in reading.runs for note in run.notes)),
        "templates": [{"sample": t.sample, "count": t.count, "keys": t.keys} for t in reading.templates],
    }


def _choice(choice: Choice) -> dict[str, Any]:
    bounds = {"low": choice.low, "high": choice.high}
    word = isinstance(choice.value, str | bool) and choice.low is None and choice.high is None
    return {"value": choice.value, **({} if word else bounds), "because": choice.because}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "title": finding.title,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "message": finding.message,
        "why": finding.why,
        "remedy": finding.remedy,
        "covers": finding.covers,
        "cause": finding.cause,
        "also": finding.also,
        "explains": finding.explains,
        "facts": finding.facts,
        "suggest": finding.suggest,
        "where": _where(finding.where),
        "run": finding.run,
        "measured": (
            None
            if finding.figures is None
            else {**finding.figures.document(finding.severity), "claimed": finding.claimed}
        ),
        "steps": (
            [min(s.first for s in finding.seen), max(s.last for s in finding.seen)] if finding.seen else None
        ),
        "evidence": {
            span.key: {"steps": [span.first, span.last], "lines": [span.first_line, span.last_line]}
            for span in reversed(finding.seen)  # the most telling span of a series wins
        },
    }


def _where(where: Location | None) -> dict[str, Any] | None:
    return None if where is None else {"path": where.path, "line": where.line, "column": where.column}


def _unknown(unknown: Unknown) -> dict[str, Any]:
    return {
        "rule": unknown.rule,
        "severity": unknown.severity,
        "missing": unknown.missing,
        "because": unknown.because,
        "run": unknown.run,
    }


def _suppressed(suppressed: Suppressed) -> dict[str, Any]:
    return {
        "reason": suppressed.reason,
        "source": suppressed.source,
        "finding": _finding(suppressed.finding),
    }


def _merit(merit: Merit) -> dict[str, Any]:
    return {
        "rule": merit.rule,
        "loss": merit.loss,
        "value": merit.value,
        "low": merit.low,
        "high": merit.high,
        "one_low": merit.one_low,
        "one_high": merit.one_high,
        "unit": merit.unit,
        "basis": merit.basis,
        "message": merit.message,
        "covers": merit.covers,
        "facts": merit.facts,
    }


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(key): _strict(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_strict(member) for member in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return _text(value)


def _text(value: object) -> str:
    """Return text that any JSON reader takes: a lone surrogate, as in a file name, is spelt out."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
