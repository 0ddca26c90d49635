"""Workflow commands, read back the way the runner reads them."""

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.evidence import Location
from imbalance_doctor.report._format import clean
from imbalance_doctor.report.base import renderer


def commands(output):
    """Parse every line that the runner would take for a command: (name, properties, message)."""
    found = []
    for line in output.splitlines():
        match = re.fullmatch(r"\s*::([a-z-]+)(?: ([^:]*))?::(.*)", line)
        assert match or not line.lstrip().startswith(("::", "##[")), line
        if match:
            pairs = [part.split("=", 1) for part in match[2].split(",")]
            found.append((match[1], {k: decode(v, ":,") for k, v in pairs}, decode(match[3], "")))
    return found


def decode(text, more):
    for char in "\r\n" + more + "%":
        text = text.replace(f"%{ord(char):02X}", char)
    return text


def test_findings_point_at_their_lines(checked):
    first, second, third, *rest = commands(renderer("github")(checked))
    assert first[0] == "error"
    assert first[1] == {
        "file": "train.py",
        "line": "42",
        "col": "11",
        "title": "A ranking pool holds too few positives to rank (pool-starved-of-positives)",
    }
    assert first[2].splitlines() == [
        "A pool of 1,280 rows holds 2.6 positives on average.",
        "Why: Below 5 positives the AP estimate is noise.",
        "Remedy: Raise queue_size to the suggested value.",
    ]
    assert second[0] == "warning"
    assert set(second[1]) == {"title"}
    assert third[0] == "notice"
    assert third[2].splitlines()[1] == "In train.py:42 SmoothAPLoss."
    assert [(name, p["title"]) for name, p, _ in rest] == [
        ("notice", "imbalance-doctor: not checked"),
        ("notice", "imbalance-doctor: stale"),
    ]


def test_what_was_not_read_stands_with_what_was_not_checked(checked):
    (told,) = [m for _, p, m in commands(renderer("github")(checked)) if p["title"].endswith("not checked")]
    assert told.startswith(
        "Not read: label_noise (train.py:7, 'cfg.noise' is only known when the script runs"
    )
    assert "; 2 rules need --label-noise" in told


def test_the_last_line_is_the_exit(checked, advised, stuck):
    for diagnosis in (checked, advised, stuck):
        last = renderer("github")(diagnosis).splitlines()[-1]
        assert last == f"exit {diagnosis.exit.code}: {diagnosis.exit.why}"


def test_an_option_is_no_file(stuck):
    finding = replace(stuck.recommendation.blockers[0], where=Location(path="--queue-size"))
    ((_, properties, message),) = commands(renderer("github")(Diagnosis(findings=(finding,))))
    assert set(properties) == {"title"}
    assert "In --queue-size." in message.splitlines()


def test_what_stands_in_the_way_of_advice_is_an_error(stuck):
    assert [name for name, _, _ in commands(renderer("github")(stuck))] == ["error"]


def test_a_blocker_that_is_also_a_finding_is_told_once(stuck):
    both = replace(stuck, findings=stuck.recommendation.blockers)
    assert len(commands(renderer("github")(both))) == 1


NASTY = st.one_of(
    st.text(alphabet=st.characters(), min_size=1),
    st.text(alphabet="%:,\r\n=0ADa \x1b", min_size=1),
    st.sampled_from(["::error::x", "%0A::error::x", "a%25b", "\n::set-output name=x::y", "##[error]x"]),
)


@settings(deadline=None)
@given(message=NASTY, title=NASTY, path=NASTY)
def test_nothing_in_a_finding_becomes_a_command(message, title, path):
    finding = Finding(
        rule="a-rule", title=title, severity="error", confidence="high", message=message, run=path,
        where=Location(path=path, line=3),
    )  # fmt: skip
    found = commands(renderer("github")(Diagnosis(findings=(finding,), stale=(message,))))
    assert [name for name, _, _ in found] == ["error", "notice"]
    _, properties, told = found[0]
    assert {"title"} <= set(properties) <= {"file", "line", "title"}
    assert properties["title"] == clean(f"{title} (a-rule)")
    assert told.startswith(clean(message))
