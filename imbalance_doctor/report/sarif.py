"""SARIF 2.1.0 for code scanning.

A finding is a result at the place in the plan or script, or else at the file that was judged. What was
suppressed is a result with its justification. What could not be checked is a notification of the
run, because no result may claim it.
"""

from __future__ import annotations

from typing import Any

from imbalance_doctor import __version__
from imbalance_doctor.diagnose import Diagnosis, Suppressed
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.evidence import Location
from imbalance_doctor.gate import file_of, place, relative, reported
from imbalance_doctor.report._format import clean, paragraphs, unchecked
from imbalance_doctor.report.json import dump

FORMAT = "sarif"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def render(
    diagnosis: Diagnosis,
    *,
    command: str = "",  # noqa: ARG001
    color: bool = False,  # noqa: ARG001
    width: int = 100,  # noqa: ARG001
    verbose: bool = False,  # noqa: ARG001
) -> str:
    """Write a diagnosis as a SARIF log with one run."""
    findings = reported(diagnosis)
    everything = [*findings, *(s.finding for s in diagnosis.suppressed)]
    rules = {f.rule: f for f in reversed(everything)}
    index = {rule: number for number, rule in enumerate(sorted(rules))}
    fallback = next(filter(None, map(file_of, diagnosis.subject)), "")
    results = [_result(f, index, fallback) for f in findings]
    for suppressed in diagnosis.suppressed:
        result = _result(suppressed.finding, index, fallback)
        results.append({**result, "suppressions": [_suppression(suppressed)]})
    if diagnosis.suppressed:  # all results of a run carry the list, or none does
        for result in results:
            result.setdefault("suppressions", [])
    run = {
        "tool": {
            "driver": {
                "name": "imbalance-doctor",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(rules[rule]) for rule in index],
            }
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": diagnosis.exit.code,
                "exitCodeDescription": clean(diagnosis.exit.why),
                "toolExecutionNotifications": [
                    *(_notification(f"Not checked: {p}") for p in unchecked(diagnosis.unknown)),
                    *(_notification(f"Stale: {s}") for s in diagnosis.stale),
                ],
            }
        ],
        "results": _numbered(results),
        "columnKind": "unicodeCodePoints",
    }
    return dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(finding: Finding) -> dict[str, Any]:
    why = " ".join(paragraphs(finding.why)) or clean(finding.title)
    remedy = " ".join(paragraphs(finding.remedy)) or why
    return {
        "id": clean(finding.rule),
        "shortDescription": {"text": clean(finding.title) or clean(finding.rule)},
        "fullDescription": {"text": why or clean(finding.rule)},
        "help": {"text": remedy or clean(finding.rule)},
        "defaultConfiguration": {"level": finding.severity},
        "properties": {"precision": finding.confidence, "tags": sorted(set(map(clean, finding.covers)))},
    }


def _result(finding: Finding, index: dict[str, int], fallback: str) -> dict[str, Any]:
    path = place(finding) or fallback
    where = finding.where if finding.where and place(finding) else Location(path=path) if path else None
    return {
        "ruleId": clean(finding.rule),
        "ruleIndex": index[finding.rule],
        "kind": "fail",
        "level": finding.severity,
        "message": {"text": _text(f"{finding.run}: {finding.message}" if finding.run else finding.message)},
        "locations": [_location(where)] if where else [],
        "partialFingerprints": {"imbalanceDoctor/v1": _fingerprint(finding)},
        "properties": {"confidence": finding.confidence},
    }


def _numbered(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tell apart findings of one rule in one place, in their order."""
    seen: dict[str, int] = {}
    for result in results:
        prints = result["partialFingerprints"]
        for key, value in prints.items():
            seen[value] = seen.get(value, 0) + 1
            prints[key] = f"{value}:{seen[value]}"
    return results


def _fingerprint(finding: Finding) -> str:
    import hashlib

    text = f"{finding.rule}\0{place(finding)}".encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:32]


def _location(where: Location) -> dict[str, Any]:
    region = {"startLine": where.line, "startColumn": where.column}
    known = {key: number for key, number in region.items() if number is not None and where.line is not None}
    physical: dict[str, Any] = {"artifactLocation": _artifact(where.path)}
    if known:
        physical["region"] = known
    return {"physicalLocation": physical}


def _artifact(path: str) -> dict[str, str]:
    from pathlib import PurePath
    from urllib.parse import quote

    spot = relative(path)
    if PurePath(spot).is_absolute():
        return {"uri": "file://" + quote(spot if spot.startswith("/") else f"/{spot}", errors="replace")}
    return {"uri": quote(spot, errors="replace"), "uriBaseId": "%SRCROOT%"}


def _suppression(suppressed: Suppressed) -> dict[str, Any]:
    source = f" ({suppressed.source})" if suppressed.source else ""
    return {"kind": "external", "justification": clean(f"{suppressed.reason}{source}")}


def _notification(text: str) -> dict[str, Any]:
    return {"level": "note", "message": {"text": _text(text)}}


def _text(text: str) -> str:
    """Return a message in which nothing can be taken for a link: ``[text](target)`` is one in SARIF."""
    line = clean(text) or "no message"
    return line.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]") if "](" in line else line
