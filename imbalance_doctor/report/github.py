"""Workflow commands of GitHub Actions: findings appear beside the line of the plan or script.

Every line is a command (``::error file=...::message``) or ordinary text that cannot be taken for one.
The job summary is the ``markdown`` format, written to ``$GITHUB_STEP_SUMMARY``.
"""

from __future__ import annotations

from collections.abc import Mapping

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.gate import place, reported
from imbalance_doctor.report._format import (
    clean,
    first_sentence,
    headline,
    not_read,
    paragraphs,
    unchecked,
    verdict,
)

FORMAT = "github"
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(
    diagnosis: Diagnosis,
    *,
    command: str = "",  # noqa: ARG001
    color: bool = False,  # noqa: ARG001
    width: int = 100,  # noqa: ARG001
    verbose: bool = False,
) -> str:
    """Write a diagnosis as workflow commands, with a closing line for the log."""
    findings = reported(diagnosis)
    lines = [_finding(finding, verbose=verbose) for finding in findings]
    if diagnosis.unknown:
        told = [f"{clean(label)}: {clean(what)}" for label, what in not_read(diagnosis)]
        message = "; ".join([*told, *unchecked(diagnosis.unknown)])
        lines.append(_command("notice", {"title": "imbalance-doctor: not checked"}, message))
    lines += [_command("notice", {"title": "imbalance-doctor: stale"}, clean(s)) for s in diagnosis.stale]
    if diagnosis.recommendation is not None:
        what, why = verdict(diagnosis.recommendation)
        lines.append(f"imbalance-doctor: {clean(what)}. {clean(why)}".rstrip())
    lines.append(f"imbalance-doctor: {clean(headline(diagnosis, findings))}")
    lines.append(f"exit {diagnosis.exit.code}: {clean(diagnosis.exit.why)}")
    return "\n".join(lines) + "\n"


def _finding(finding: Finding, *, verbose: bool) -> str:
    properties: dict[str, object] = {}
    file = place(finding)
    if finding.where is not None and file:
        properties["file"] = file
        if finding.where.line is not None:
            properties["line"] = finding.where.line
            if finding.where.column is not None:
                properties["col"] = finding.where.column
    properties["title"] = f"{finding.title} ({finding.rule})"
    parts = [clean(finding.message)]
    if "file" not in properties and (finding.where or finding.run):
        parts.append(f"In {clean(finding.where or finding.run)}.")
    why = " ".join(paragraphs(finding.why)) if verbose else first_sentence(finding.why)
    parts += [f"Why: {why}"] if why else []
    parts += [f"Remedy: {' '.join(paragraphs(finding.remedy))}"] if finding.remedy else []
    return _command(_COMMANDS[finding.severity], properties, "\n".join(parts))


def _command(name: str, properties: Mapping[str, object], message: str) -> str:
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(clean(value)).replace(":", "%3A").replace(",", "%2C")
