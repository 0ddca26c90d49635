"""SARIF, checked against two object models made from the standard by others."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import sarif_om
from hypothesis import given, settings
from hypothesis import strategies as st
from sarif_pydantic import Sarif

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.evidence import Location
from imbalance_doctor.report.base import renderer

# The classes of sarif-om are generated from the schema but do not say which class a property holds.
HOLDS = {
    "runs": "Run", "tool": "Tool", "driver": "ToolComponent", "rules": "ReportingDescriptor",
    "shortDescription": "MultiformatMessageString", "fullDescription": "MultiformatMessageString",
    "help": "MultiformatMessageString", "defaultConfiguration": "ReportingConfiguration",
    "invocations": "Invocation", "toolExecutionNotifications": "Notification", "message": "Message",
    "results": "Result", "locations": "Location", "physicalLocation": "PhysicalLocation",
    "artifactLocation": "ArtifactLocation", "region": "Region", "suppressions": "Suppression",
}  # fmt: skip
FREE = {"properties", "partialFingerprints"}


def check(node, kind):
    """Make sure that an object has only the properties of its class, and all that it must have."""
    cls = getattr(sarif_om, kind)
    names = {a.metadata["schema_property_name"]: a.name for a in cls.__attrs_attrs__}
    assert set(node) <= set(names), (kind, set(node) - set(names))
    cls(**{names[key]: value for key, value in node.items()})  # raises without a required one
    for key, value in node.items():
        for member in value if isinstance(value, list) else [value]:
            if isinstance(member, dict) and key not in FREE:
                check(member, HOLDS[key])


def extras(model):
    """Return properties that the typed model does not know."""
    found = set(model.model_extra or ())
    for value in model.__dict__.values():
        for member in value if isinstance(value, list) else [value]:
            if hasattr(member, "model_extra"):
                found |= extras(member)
    return found


def read(diagnosis):
    text = renderer("sarif")(diagnosis)
    document = json.loads(text)
    check(document, "SarifLog")
    # The typed model checks the kinds of values. It lacks these properties, which the other one knows.
    unmodelled = {
        "columnKind",
        "exitCode",
        "exitCodeDescription",
        "suppressions",
        "toolExecutionNotifications",
    }
    assert extras(Sarif.model_validate_json(text)) <= {"$schema", *unmodelled}
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    assert "informationUri" not in run["tool"]["driver"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
    prints = [result["partialFingerprints"]["imbalanceDoctor/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    assert len({"suppressions" in result for result in run["results"]}) <= 1
    return run


@pytest.mark.parametrize("name", ["checked", "advised", "stuck"])
def test_valid(name, request):
    diagnosis = request.getfixturevalue(name)
    (invocation,) = read(diagnosis)["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["exitCode"] == diagnosis.exit.code


def test_the_validators_do_reject():
    good = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}}]}
    check(good, "SarifLog")
    with pytest.raises(AssertionError):
        check({**good, "run": []}, "SarifLog")
    with pytest.raises(TypeError):
        check({"version": "2.1.0", "runs": [{"tool": {"driver": {}}}]}, "SarifLog")
    wrong = {**good, "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"level": "error"}]}]}
    with pytest.raises(ValueError, match="message"):
        Sarif.model_validate(wrong)


def test_results(checked):
    results = read(checked)["results"]
    assert [r["level"] for r in results] == ["error", "warning", "note", "warning"]
    assert results[0]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "train.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 42, "startColumn": 11},
            }
        }
    ]
    # Without a place of its own a finding speaks of the file that was judged.
    assert results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "y.npy"
    assert [r["suppressions"] for r in results[:3]] == [[], [], []]
    assert results[3]["suppressions"] == [
        {"kind": "external", "justification": "the sampler is stratified (pyproject.toml)"}
    ]


def test_unknown_is_a_notification_and_no_result(checked):
    run = read(checked)
    told = [n["message"]["text"] for n in run["invocations"][0]["toolExecutionNotifications"]]
    assert "Not checked: 2 rules need --label-noise" in told
    assert {r["ruleId"] for r in run["results"]}.isdisjoint(u.rule for u in checked.unknown)


def test_nothing_suppressed_means_no_list_of_suppressions(stuck):
    assert all("suppressions" not in r for r in read(stuck)["results"])


def test_findings_of_one_rule_in_one_place_are_told_apart_and_survive_a_move(checked):
    def prints(*lines):
        first = checked.findings[0]
        moved = [replace(first, where=Location(path="train.py", line=n)) for n in lines]
        run = read(replace(checked, findings=tuple(moved), suppressed=()))
        return [r["partialFingerprints"]["imbalanceDoctor/v1"] for r in run["results"]]

    assert prints(3, 9) == prints(30, 90)
    assert prints(3, 9)[0] == prints(7)[0]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a b/ü#1%.py", "a%20b/%C3%BC%231%25.py"),
        ("./conf/../train.yaml", "train.yaml"),
        ("c:odd.py", "c%3Aodd.py"),
        ("../up.py", "../up.py"),
    ],
)
def test_paths_become_relative_uris(path, uri, stuck):
    finding = replace(stuck.recommendation.blockers[0], where=Location(path=path, line=1))
    (result,) = read(Diagnosis(findings=(finding,)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": uri,
        "uriBaseId": "%SRCROOT%",
    }


def test_an_option_is_no_file(stuck):
    finding = replace(stuck.recommendation.blockers[0], where=Location(path="--queue-size"), run="options")
    (result,) = read(Diagnosis(findings=(finding,), subject=("options", "-", "y.npy")))["results"]
    assert result["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "y.npy", "uriBaseId": "%SRCROOT%"}}}
    ]
    (result,) = read(Diagnosis(findings=(finding,), subject=("options",)))["results"]
    assert result["locations"] == []


def test_absolute_paths(stuck):
    def uri(path):
        finding = replace(stuck.recommendation.blockers[0], where=Location(path=str(path), line=1))
        (result,) = read(Diagnosis(findings=(finding,)))["results"]
        return result["locations"][0]["physicalLocation"]["artifactLocation"]

    assert uri(Path.cwd() / "in" / "x.py") == {"uri": "in/x.py", "uriBaseId": "%SRCROOT%"}
    assert uri(Path.cwd().parent / "x y.py")["uri"].startswith("file:///")


@settings(deadline=None)
@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1), line=st.integers(1, 10**6)
)
def test_any_text_stays_valid(text, line):
    finding = Finding(
        rule="a-rule", title=text, severity="note", confidence="low", message=text, why=text, remedy=text,
        covers=(text,), where=Location(path=text.replace("\0", ""), line=line), run=text,
    )  # fmt: skip
    run = read(Diagnosis(findings=(finding,), stale=(text,)))
    for location in run["results"][0]["locations"]:
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.isascii()
        assert not set(uri) & set(' "<>\\^`{|}')
        assert unquote(uri)


def test_a_link_in_a_message_is_no_link(stuck):
    finding = replace(stuck.recommendation.blockers[0], message="class [here](http://bad) is rare")
    (result,) = read(Diagnosis(findings=(finding,)))["results"]
    assert result["message"]["text"] == "class \\[here\\](http://bad) is rare"
