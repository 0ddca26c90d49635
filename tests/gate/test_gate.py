"""The gate: what counts, what is set aside, and the exit code on both sides of each threshold."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor import gate
from imbalance_doctor.diagnose import Diagnosis, TrainedRun
from imbalance_doctor.engine.base import Finding, Unknown
from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts, Location, TrainingLog, TrainingPlan
from imbalance_doctor.facts.base import Evidence, Facts, measure
from imbalance_doctor.gate import Baseline, BaselineEntry, Policy, Suppression
from imbalance_doctor.recommend.base import Recommendation
from imbalance_doctor.sources.config import Config

TODAY = dt.date(2026, 6, 15)
SEVERITIES = ("error", "warning", "note")


def finding(rule="a-rule", severity="error", **more):
    return Finding(rule=rule, title="", severity=severity, confidence="high", message="", **more)


def unknown(rule, severity="error", missing=("labels",)):
    return Unknown(rule=rule, severity=severity, missing=missing, because="")


def judged(*findings, **more):
    return Diagnosis(findings=findings, **{"passed": ("fine",), **more})


def apply(diagnosis, baseline=None, today=TODAY, **policy):
    return gate.apply(diagnosis, Policy(**policy), baseline=baseline, today=today)


@pytest.mark.parametrize(
    ("plan", "labels", "failing"),
    [
        (TrainingPlan(), None, {"of-the-log"}),
        (TrainingPlan(loss="bce"), None, {"of-the-log", "of-the-plan"}),
        (TrainingPlan(), {0: 90, 1: 10}, {"of-the-log", "of-the-labels"}),
        (TrainingPlan(loss="bce"), {0: 90, 1: 10}, {"of-the-log", "of-the-plan", "of-the-labels", "of-both"}),
    ],
)
def test_strict_holds_a_log_to_what_was_given_with_it(plan, labels, failing):
    counts = labels and LabelCounts(
        classes=tuple(map(str, labels)), counts=np.array([*labels.values()]), rows=100, positive=1
    )
    facts = measure(Evidence(plan=plan, labels=counts))
    wanting = (
        unknown("of-the-log", missing=("log.recall",)),
        unknown("of-the-plan", missing=("plan.batch_size",)),
        unknown("of-the-labels", missing=("labels",)),
        unknown("of-both", missing=("labels", "plan.batch_size")),
    )
    run = TrainedRun(log=TrainingLog(series=()), name="", facts=facts, findings=(), verdict="healthy")
    of_a_log = judged(unknown=wanting, facts=facts, trained=(run,))
    assert {u.rule for u in gate.unchecked(of_a_log)} == failing
    told = f"{len(failing)} rule{'s' * (len(failing) > 1)} not checked for want of an input (strict)"
    assert apply(of_a_log, strict=True).exit.why == told
    assert len(gate.unchecked(replace(of_a_log, trained=()))) == 4  # a plan is held to all


@pytest.mark.parametrize("fail_on", [*SEVERITIES, "never"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_finding_fails_from_its_severity_up(severity, fail_on):
    ending = apply(judged(finding(severity=severity)), fail_on=fail_on).exit
    fails = fail_on != "never" and SEVERITIES.index(severity) <= SEVERITIES.index(fail_on)
    assert ending.code == (1 if fails else 0)
    assert ending.fail_on == fail_on


@pytest.mark.parametrize(
    ("findings", "fail_on", "why"),
    [
        ((), "error", "no findings"),
        (("error",), "error", "1 finding at or above error"),
        (("error", "error", "note"), "error", "2 findings at or above error"),
        (("error", "warning", "note"), "note", "3 findings at or above note"),
        (("warning", "note"), "error", "2 findings, none at or above error"),
        (("error",), "never", "1 finding, none fails"),
    ],
)
def test_why(findings, fail_on, why):
    found = (finding(f"rule-{n}", severity) for n, severity in enumerate(findings))
    assert apply(judged(*found), fail_on=fail_on).exit.why == why


@pytest.mark.parametrize(
    ("severities", "fail_on", "why"),
    [
        (("note", "warning"), "error", "2 findings, none at or above error (--fail-on warning fails it)"),
        (("warning",), "never", "1 finding, none fails"),
        ((), "error", "no findings"),
    ],
)
def test_a_faulty_run_that_passes_says_what_would_fail_it(severities, fail_on, why):
    found = tuple(finding(f"rule-{n}", severity) for n, severity in enumerate(severities))
    run = TrainedRun(log=TrainingLog(series=()), name="", facts=Facts(), findings=found, verdict="faulty")
    ending = apply(judged(*found, trained=(run,)), fail_on=fail_on).exit
    assert (ending.code, ending.why) == (0, f"faulty; {why}")


def test_an_exit_without_failure_says_how_much_it_did_not_check():
    one = judged(unknown=(unknown("a", "note", missing=()),))
    assert apply(one).exit.why == "no findings; 1 rule not checked"
    entry = Suppression(rule="a-rule", reason="x")
    both = apply(judged(finding(), finding("b", "note"), unknown=one.unknown), suppress=(entry,))
    assert both.exit.why == "1 finding, none at or above error, 1 suppressed; 1 rule not checked"
    assert apply(judged(finding(), unknown=one.unknown)).exit.why == "1 finding at or above error"


def test_strict_counts_rules_that_lack_an_input():
    diagnosis = judged(
        unknown=(
            unknown("a"),
            unknown("b", "warning"),
            unknown("b", "warning"),  # the same rule in another run
            unknown("c", "note"),  # would only have been a note
            unknown("d", missing=()),  # nothing the user could give
        )
    )
    assert (apply(diagnosis).exit.code, apply(diagnosis).exit.why) == (0, "no findings; 4 rules not checked")
    ending = apply(diagnosis, strict=True).exit
    assert (ending.code, ending.why) == (1, "2 rules not checked for want of an input (strict)")
    assert ending.strict
    both = apply(replace(diagnosis, findings=(finding(),)), strict=True).exit
    assert both.why == "1 finding at or above error and 2 rules not checked for want of an input (strict)"
    calm = judged(unknown=(unknown("c", "note"), unknown("d", missing=())))
    assert apply(calm, strict=True).exit.code == 0


def test_nothing_evaluated_is_never_clean():
    ending = apply(Diagnosis()).exit
    assert (ending.code, ending.why) == (3, "nothing could be evaluated; give --labels or --plan")
    missing = (
        unknown("a"),
        unknown("b", missing=("plan.batch_size",)),
        unknown("c", missing=("plan.batch_size",)),
    )
    ending = apply(Diagnosis(unknown=missing), strict=True).exit
    assert (ending.code, ending.why) == (3, "nothing could be evaluated; give --batch-size and --labels")
    assert apply(Diagnosis(passed=("one",))).exit.code == 0
    assert apply(Diagnosis(findings=(finding(severity="note"),))).exit.code == 0
    suppressed = apply(Diagnosis(findings=(finding(),)), suppress=(Suppression(rule="a-rule", reason="x"),))
    assert (suppressed.exit.code, suppressed.exit.why) == (0, "no findings, 1 suppressed")


def test_advice_that_cannot_be_met_fails_whatever_the_policy():
    advice = Recommendation(feasible=False, plan=TrainingPlan(), blockers=(finding("x-y"), finding("x-y")))
    for fail_on in ("error", "never"):
        ending = apply(judged(recommendation=advice), fail_on=fail_on).exit
        assert (ending.code, ending.why) == (1, "no plan meets every rule: x-y")
    assert apply(judged(recommendation=replace(advice, feasible=True, blockers=()))).exit.code == 0
    assert apply(Diagnosis(recommendation=advice)).exit.code == 1


def test_a_suppression_sets_aside_with_its_reason():
    entry = Suppression(rule="a-rule", reason="known and fine", source="pyproject.toml")
    after = apply(judged(finding(), finding("b-rule")), suppress=(entry,))
    assert [f.rule for f in after.findings] == ["b-rule"]
    assert [(s.finding.rule, s.reason, s.source) for s in after.suppressed] == [
        ("a-rule", "known and fine", "pyproject.toml")
    ]
    assert after.stale == ()
    assert after.exit.why == "1 finding at or above error"


@pytest.mark.parametrize(("days", "counts"), [(-1, False), (0, True), (1, True)])
def test_a_suppression_counts_through_its_last_day(days, counts):
    entry = Suppression(rule="a-rule", reason="x", expires=TODAY + dt.timedelta(days), source="p.toml")
    after = apply(judged(finding()), suppress=(entry,))
    assert bool(after.suppressed) is counts
    assert after.exit.code == (0 if counts else 1)
    expected = () if counts else (
        "suppression of a-rule in p.toml expired after 2026-06-14; its findings count again",
    )  # fmt: skip
    assert after.stale == expected


def test_a_suppression_that_matches_nothing_is_named_once_it_is_sure():
    entry = Suppression(rule="a-rule", reason="x", source="p.toml")
    assert apply(judged(passed=("a-rule",)), suppress=(entry,)).stale == (
        "suppression of a-rule in p.toml matches no finding; remove it",
    )
    # It may still be needed when the rule could not be checked or speaks of another loss.
    assert apply(judged(unknown=(unknown("a-rule"),)), suppress=(entry,)).stale == ()
    assert apply(judged(not_applicable={"a-rule": ""}), suppress=(entry,)).stale == ()
    late = replace(entry, expires=dt.date(2020, 1, 1))
    assert apply(judged(), suppress=(late,)).stale == (
        "suppression of a-rule in p.toml expired after 2020-01-01; it matches no finding",
    )


def test_a_baseline_lets_only_the_known_number_through():
    places = [Location(path="train.py", line=n) for n in (3, 9, 27)]
    three = judged(*(finding(where=where) for where in places))
    known = Baseline(entries=(BaselineEntry(rule="a-rule", place="train.py", count=2),), source="base.json")
    after = apply(three, known)
    assert len(after.suppressed) == 2
    assert [f.where.line for f in after.findings] == [27]
    assert after.exit.code == 1
    assert after.stale == ()
    assert {s.source for s in after.suppressed} == {"base.json"}
    one = apply(judged(finding(where=places[0])), known)
    assert one.exit.code == 0
    assert one.stale == (
        "baseline entry a-rule (train.py) in base.json matches no finding; 1 of 2 found; remove it",
    )


def test_a_baseline_entry_elsewhere_does_not_help_and_is_stale():
    known = Baseline(entries=(BaselineEntry(rule="a-rule", place="other.py"),), source="base.json")
    after = apply(judged(finding(where=Location(path="train.py", line=1))), known)
    assert after.exit.code == 1
    assert after.stale == ("baseline entry a-rule (other.py) in base.json matches no finding; remove it",)
    assert apply(judged(unknown=(unknown("a-rule"),)), known).stale == ()


def test_a_finding_suppressed_and_in_the_baseline_makes_neither_stale():
    known = Baseline(entries=(BaselineEntry(rule="a-rule", place=""),), source="base.json")
    after = apply(judged(finding()), known, suppress=(Suppression(rule="a-rule", reason="why"),))
    assert [s.reason for s in after.suppressed] == ["why"]
    assert after.stale == ()


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, ""),
        ({"run": "train.py:42 SmoothAPLoss"}, "train.py"),
        ({"run": "train.py:42:7 SmoothAPLoss"}, "train.py"),
        ({"run": "options", "where": Location(path="--queue-size")}, ""),
        ({"run": "options"}, ""),
        ({"run": "conf/train.yaml"}, "conf/train.yaml"),
        ({"where": Location(path="./conf//train.yaml", line=3), "run": "x"}, "conf/train.yaml"),
    ],
)
def test_places_do_not_move_with_the_lines(more, place):
    assert gate.place(finding(**more)) == place


RULES = st.sampled_from(["a-rule", "b-rule", "c-rule"])
FINDINGS = st.lists(
    st.builds(
        finding, RULES, st.sampled_from(SEVERITIES), run=st.sampled_from(["", "x.py:3 L", "x.py:9 L", "y.py"])
    ),
    max_size=8,
)


@settings(deadline=None)
@given(before=FINDINGS, after=FINDINGS)
def test_written_baseline_accepts_what_was_there_and_nothing_else(tmp_path_factory, before, after):
    path = tmp_path_factory.mktemp("baseline") / "base.json"
    assert gate.write_baseline(judged(*before), path) == len(before)
    known = gate.read_baseline(path)
    same = apply(judged(*before), known, fail_on="note")
    assert (same.exit.code, same.findings, same.stale) == (0, (), ())
    # Slow twin: strike each known pair off a list, one by one.
    left = [(f.rule, gate.place(f)) for f in before]
    fresh = []
    for each in after:
        key = (each.rule, gate.place(each))
        if key in left:
            left.remove(key)
        else:
            fresh.append(each)
    judged_after = apply(judged(*after), known, fail_on="note")
    assert list(judged_after.findings) == fresh
    assert bool(judged_after.stale) == bool(left)


def test_a_baseline_written_over_another_keeps_what_that_one_accepted(tmp_path):
    path = tmp_path / "base.json"
    gate.write_baseline(judged(finding("a-rule")), path)
    entry = Suppression(rule="c-rule", reason="has its own")
    second = judged(finding("a-rule"), finding("b-rule"), finding("c-rule"))
    after = apply(second, gate.read_baseline(path), suppress=(entry,))
    assert gate.write_baseline(after, path, overwrite=True) == 2
    assert [e.rule for e in gate.read_baseline(path).entries] == ["a-rule", "b-rule"]


def test_a_baseline_file_is_sorted_and_stable(tmp_path):
    findings = [finding("b-rule"), finding("a-rule", run="x.py:3 L"), finding("a-rule")]
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    gate.write_baseline(judged(*findings), one)
    gate.write_baseline(judged(*reversed(findings)), two)
    assert one.read_bytes() == two.read_bytes()


def test_an_existing_file_is_not_replaced_unless_asked(tmp_path):
    path = tmp_path / "base.json"
    path.write_text("precious")
    with pytest.raises(InputError, match="expected a new file, but got one that exists"):
        gate.write_baseline(judged(), path)
    assert path.read_text() == "precious"
    gate.write_baseline(judged(), path, overwrite=True)
    assert gate.read_baseline(path).entries == ()
    with pytest.raises(InputError, match="cannot be written"):
        gate.write_baseline(judged(), tmp_path / "absent" / "base.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected JSON, but got: Expecting value"),
        (b"{", "expected JSON, but got: "),
        (b"\xff\xfe", "expected UTF-8 text, but got byte 0 that is not"),
        (b"[]", "expected a baseline with a version, but got a list"),
        (b"{}", "expected a baseline with a version, but got a table"),
        (b'"x"', "expected a baseline with a version, but got 'x'"),
        (b'{"version": 2, "findings": []}', "expected version 1, but got 2; write it anew"),
        (b'{"version": true, "findings": []}', "expected version 1, but got True"),
        (b'{"version": "1", "findings": []}', "expected version 1, but got '1'"),
        (b'{"version": 1}', "findings: expected a list, but got none"),
        (b'{"version": 1, "findings": {}}', "findings: expected a list, but got a table"),
        (b'{"version": 1, "version": 1, "findings": []}', "the key 'version' twice"),
        (b'{"version": 1, "findings": [], "finding": 1}', "but got 'finding'; did you mean 'findings'?"),
        (b'{"version": 1, "findings": [1]}', "findings 1: expected a table, but got 1"),
        (b'{"version": 1, "findings": [{}]}', "findings 1: expected the id of a rule, but got none"),
        (b'{"version": 1, "findings": [{"rule": 3}]}', "expected the id of a rule, but got 3"),
        (b'{"version": 1, "findings": [{"rule": "a", "place": 1}]}', "place: expected text, but got 1"),
        (
            b'{"version": 1, "findings": [{"rule": "a", "count": 0}]}',
            "count: expected a whole number above 0",
        ),
        (b'{"version": 1, "findings": [{"rule": "a", "count": true}]}', "count: expected a whole number"),
        (b'{"version": 1, "findings": [{"rule": "a", "count": 1.5}]}', "count: expected a whole number"),
        (b'{"version": 1, "findings": [{"rule": "a", "plcae": ""}]}', "did you mean 'place'?"),
        (
            b'{"version": 1, "findings": [{"rule": "a"}, {"rule": "a"}]}',
            "findings 2: expected each rule once",
        ),
        (b"[" * 100_000, "values nested too deeply"),
        (b'{"version": ' + b"9" * 5000 + b"}", "expected JSON, but got "),
    ],
)
def test_malformed_baselines(tmp_path, content, message):
    path = tmp_path / "base.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        gate.read_baseline(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_unreadable_baselines(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cannot be read"):
        gate.read_baseline(tmp_path / "absent.json")
    with pytest.raises(InputError, match="cannot be read"):
        gate.read_baseline(tmp_path)
    monkeypatch.setattr(gate, "_LARGEST", 2**20)
    path = tmp_path / "large.json"
    path.write_bytes(b" " * 2**20)
    with pytest.raises(InputError, match="expected JSON"):
        gate.read_baseline(path)
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(InputError, match="expected at most 1 MiB"):
        gate.read_baseline(path)


def test_the_command_line_wins_over_the_configuration():
    config = Config(fail_on="warning", strict=True, suppress=(Suppression(rule="a", reason="b"),))
    assert gate.policy(config) == Policy(fail_on="warning", strict=True, suppress=config.suppress)
    assert gate.policy(config, fail_on="note", strict=False) == Policy(
        fail_on="note", suppress=config.suppress
    )
    assert gate.policy(Config()) == Policy()
    with pytest.raises(InputError, match=r"--fail-on: .* but got 'warnings'; did you mean 'warning'"):
        gate.policy(config, fail_on="warnings")
