"""JUnit XML, checked against the schemas of another project and read by another one."""

from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped
from lxml import etree

from imbalance_doctor.diagnose import Diagnosis, Exit
from imbalance_doctor.engine.base import Finding, Unknown
from imbalance_doctor.report.base import renderer

SCHEMAS = {
    name: etree.XMLSchema(etree.fromstring((files("pyEDAA.Reports.Resources") / name).read_bytes()))
    for name in ("Any-JUnit.xsd", "PyTest-JUnit.xsd")
}


def read(diagnosis, command="check"):
    text = renderer("junit")(diagnosis, command=command)
    tree = etree.fromstring(text.encode())
    for schema in SCHEMAS.values():
        schema.assertValid(tree)
    (suite,) = JUnitXml.fromstring(text.encode())
    counted = [list(case.result) for case in suite]
    for attribute, kind in (("failures", Failure), ("errors", Error), ("skipped", Skipped)):
        assert getattr(suite, attribute) == sum(isinstance(r, kind) for results in counted for r in results)
    assert suite.tests == len(counted) == int(tree.get("tests"))
    return suite


def outcomes(suite):
    return {case.name: type(case.result[0]).__name__ if case.result else "passed" for case in suite}


@pytest.mark.parametrize("name", ["checked", "advised", "stuck"])
def test_valid(name, request):
    read(request.getfixturevalue(name))


def test_the_schemas_do_reject(checked):
    text = renderer("junit")(checked).replace("<failure ", "<fault ").replace("</failure>", "</fault>")
    for schema in SCHEMAS.values():
        assert not schema.validate(etree.fromstring(text.encode()))


def test_each_rule_is_a_case(checked):
    suite = read(checked)
    assert suite.name == "check"
    assert outcomes(suite) == {
        "pool-starved-of-positives": "Failure",
        "temperature-cold-for-the-scores": "passed",
        "cap-without-need": "passed",
        "batch-without-positives": "Skipped",
        "noise-above-what-ranking-bears": "Skipped",
        "memory-over-budget": "Skipped",
        "drift-within-rotation": "Skipped",
        "spread-undefined": "Skipped",
        "gamma-between-zero-and-one": "passed",
        "queue-older-than-the-model": "passed",
    }
    by_name = {case.name: case for case in suite}
    (failure,) = by_name["pool-starved-of-positives"].result
    assert failure.type == "error"
    assert failure.message == "A pool of 1,280 rows holds 2.6 positives on average."
    assert failure.text.startswith("train.py:42:11\n")
    assert by_name["temperature-cold-for-the-scores"].system_out.startswith("warning: A temperature of 0.01")
    (skipped,) = by_name["drift-within-rotation"].result
    assert skipped.message == "not checked, needs --label-noise, --learning-rate"
    assert by_name["cap-without-need"].classname == "train.py:42 SmoothAPLoss"


@pytest.mark.parametrize(("fail_on", "failing"), [("never", 0), ("error", 1), ("warning", 2), ("note", 3)])
def test_failures_are_what_fails_the_command(checked, fail_on, failing):
    suite = read(replace(checked, exit=Exit(code=1, why="x", fail_on=fail_on)))
    assert suite.failures == failing


def test_strict_makes_a_missing_input_an_error(checked):
    found = outcomes(read(replace(checked, exit=Exit(code=1, why="x", strict=True))))
    assert found["memory-over-budget"] == found["drift-within-rotation"] == "Error"
    assert found["spread-undefined"] == "Skipped"  # nothing the user could give


def test_what_stands_in_the_way_fails_even_when_nothing_should(stuck):
    assert read(replace(stuck, exit=Exit(code=1, why="x", fail_on="never"))).failures == 1


@settings(deadline=None)
@given(text=st.text(alphabet=st.characters(), min_size=1))
def test_any_text_stays_valid(text):
    finding = Finding(
        rule="a-rule",
        title=text,
        severity="error",
        confidence="low",
        message=text,
        why=text,
        remedy=text,
        run=text,
    )
    unknown = Unknown(rule="b-rule", severity="error", missing=(text,), because=text, run=text)
    read(Diagnosis(findings=(finding,), unknown=(unknown,), passed=(text,)), command=text)
