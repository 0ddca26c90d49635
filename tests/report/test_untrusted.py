"""Words that came from the user reach every format as words."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.diagnose import Diagnosis, Exit, Suppressed, Unread
from imbalance_doctor.engine.base import Finding, Unknown
from imbalance_doctor.evidence import Location, TrainingPlan
from imbalance_doctor.facts.base import Facts
from imbalance_doctor.facts.labels import Labels
from imbalance_doctor.recommend.base import Alternative, Choice, Question, Recommendation
from imbalance_doctor.report._format import clean
from imbalance_doctor.report.base import formats, renderer
from imbalance_doctor.report.facts_table import render as render_facts

NASTY = st.one_of(
    st.text(alphabet=st.characters(), max_size=30),
    st.sampled_from(
        [
            "\x1b[2J\x1b]0;title\x07", "[bold red]x[/]", "[/red]", "[link=http://a]b[/link]", ":smile:",
            "a\u202eb", "\x00", "\r\nx", "]]>", "</failure>", "<!--", "\ufffe", "\ud800", "{0}", "%s", "{x}",
            "[a](http://b)", "|", "C:\\x\\y.npy", "../../etc", "\x9b31m",
        ]
    ),
)  # fmt: skip


def diagnosis_of(text):
    """Return a diagnosis that holds `text` wherever text can come from a user."""
    finding = Finding(
        rule=f"rule {text}", title=text, severity="warning", confidence="low", message=text, why=text,
        remedy=text, covers=(text,), cause=text, facts={"labels.focus_class": text}, suggest={text: 1.0},
        where=Location(path=text or "x", line=1), run=text,
    )  # fmt: skip
    plan = TrainingPlan(loss=text)
    return Diagnosis(
        subject=(text,),
        facts=Facts(plan=plan, labels=Labels(rows=3, focus_class=text, positives=1, task=text)),
        findings=(finding, replace(finding, where=None, severity="note")),
        unknown=(Unknown(rule=text, severity="error", missing=(f"plan.{text}",), because=text, run=text),),
        passed=(text,),
        suppressed=(Suppressed(finding=finding, reason=text, source=text),),
        stale=(text,),
        assumptions=(text,),
        unread=(
            Unread(field=text, because=text, run=text, where=Location(path=text, line=1)),
            Unread(field="gamma", because=text, run=text),
        ),
        exit=Exit(code=1, why=text),
        recommendation=Recommendation(
            feasible=False,
            plan=plan,
            choices={
                "loss": Choice(value=text, because=(text, f"some-rule: {text}")),
                text: Choice(value=text),
            },
            alternatives=(Alternative(loss=text, why_not=text, plan=plan, bytes=1.0),),
            expected_gain=text,
            assumed=(text,),
            question=Question(fields=(text, "metric"), text=text, effect=text),
            costs={text: 1.0, "cost.bytes_planned": 3.0},
            code={text: text},
            blockers=(finding,),
            remedies=(text,),
        ),
    )


@pytest.mark.parametrize("name", sorted(formats()))
@pytest.mark.parametrize("verbose", [False, True])
@settings(deadline=None, max_examples=50)
@given(text=NASTY)
def test_no_format_lets_a_control_character_through(name, verbose, text):
    diagnosis = diagnosis_of(text)
    for each in (diagnosis, replace(diagnosis, recommendation=None)):
        output = renderer(name)(each, color=False, verbose=verbose)
        assert all(c.isprintable() for c in output.replace("\n", ""))
        assert output == renderer(name)(each, color=False, verbose=verbose)
        output.encode("utf-8")


@settings(deadline=None)
@given(text=NASTY)
def test_colours_are_ours_alone(text):
    output = renderer("text")(diagnosis_of(text), color=True, verbose=True)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", output)
    assert all(c.isprintable() for c in bare.replace("\n", ""))
    assert "".join(clean(text).split()) in "".join(bare.split())


@settings(deadline=None)
@given(text=NASTY)
def test_xml_holds_the_words(text):
    root = ET.fromstring(renderer("junit")(diagnosis_of(text)))  # noqa: S314  our own output
    messages = {e.get("message") for e in root.iter("skipped")}
    assert clean(f"suppressed: {text}") in messages


@settings(deadline=None)
@given(text=NASTY)
def test_json_holds_the_words(text):
    document = json.loads(renderer("json")(diagnosis_of(text)))
    held = text.encode("utf-8", "backslashreplace").decode()
    assert document["findings"][0]["message"] == held
    assert document["facts"]["labels.focus_class"]["value"] == held


@pytest.mark.parametrize("format_", ["text", "markdown", "json"])
@settings(deadline=None, max_examples=15)
@given(text=NASTY)
def test_facts_too(format_, text):
    output = render_facts(diagnosis_of(text), format=format_, verbose=True)
    assert all(c.isprintable() for c in output.replace("\n", ""))
