"""JUnit XML for build servers: each checked rule is a test case.

A finding that fails the command is a failure; one below ``--fail-on`` passes with its message as
output. A rule that could not be checked is skipped with its reason (an error under ``--strict`` when an
input is missing), and so is what was suppressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding, Unknown
from imbalance_doctor.gate import fails, option, reported, unchecked
from imbalance_doctor.report._format import clean, paragraphs

FORMAT = "junit"
_SUITE = "imbalance-doctor"


@dataclass(frozen=True, kw_only=True)
class _Case:
    name: str
    group: str
    outcome: str = ""  # failure, error, skipped, or nothing
    kind: str = ""
    message: str = ""
    detail: str = ""


def render(
    diagnosis: Diagnosis,
    *,
    command: str = "",
    color: bool = False,  # noqa: ARG001
    width: int = 100,  # noqa: ARG001
    verbose: bool = False,  # noqa: ARG001
) -> str:
    """Write a diagnosis as one test suite."""
    import xml.etree.ElementTree as ET  # only written, never read

    cases = list(_cases(diagnosis))
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(c.outcome == "failure" for c in cases)),
        "errors": str(sum(c.outcome == "error" for c in cases)),
    }
    skipped = {"skipped": str(sum(c.outcome == "skipped" for c in cases))}
    root = ET.Element("testsuites", {"name": _SUITE, **counts})
    suite = ET.SubElement(root, "testsuite", {"name": clean(command) or _SUITE, **counts, **skipped})
    properties = ET.SubElement(suite, "properties")
    for name, value in (("exit", str(diagnosis.exit.code)), ("why", clean(diagnosis.exit.why))):
        ET.SubElement(properties, "property", {"name": name, "value": value})
    for case in cases:
        element = ET.SubElement(suite, "testcase", {"name": case.name, "classname": case.group})
        if case.outcome == "skipped":
            ET.SubElement(element, "skipped", {"message": case.message}).text = case.detail
        elif case.outcome:
            told = {"type": case.kind, "message": case.message}
            ET.SubElement(element, case.outcome, told).text = case.detail
        elif case.message:
            ET.SubElement(element, "system-out").text = f"{case.kind}: {case.message}\n{case.detail}".rstrip()
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _cases(diagnosis: Diagnosis) -> Iterator[_Case]:
    findings = reported(diagnosis)
    blocked = {b.rule for b in findings[len(diagnosis.findings) :]}
    for finding in findings:
        failing = fails(finding, diagnosis.exit.fail_on) or finding.rule in blocked
        yield _Case(
            name=clean(finding.rule),
            group=clean(finding.run) or _SUITE,
            outcome="failure" if failing else "",
            kind=finding.severity,
            message=clean(finding.message),
            detail=_detail(finding),
        )
    for suppressed in diagnosis.suppressed:
        yield _Case(
            name=clean(suppressed.finding.rule),
            group=clean(suppressed.finding.run) or _SUITE,
            outcome="skipped",
            message=clean(f"suppressed: {suppressed.reason}"),
            detail=clean(suppressed.finding.message),
        )
    strictly = unchecked(diagnosis) if diagnosis.exit.strict else ()
    for unknown in diagnosis.unknown:
        yield _unchecked(unknown, failing=unknown in strictly)
    for rule in diagnosis.passed:
        yield _Case(name=clean(rule), group=_SUITE)


def _unchecked(unknown: Unknown, *, failing: bool) -> _Case:
    needed = ", ".join(map(option, unknown.missing))
    return _Case(
        name=clean(unknown.rule),
        group=clean(unknown.run) or _SUITE,
        outcome="error" if failing else "skipped",
        kind="unknown",
        message=clean(f"not checked, needs {needed}" if needed else "not checked"),
        detail=clean(unknown.because),
    )


def _detail(finding: Finding) -> str:
    lines = [str(finding.where)] if finding.where else []
    lines += paragraphs(finding.why)
    lines += [f"Remedy: {' '.join(paragraphs(finding.remedy))}"] if finding.remedy else []
    return "\n".join(map(clean, lines))
