"""Judging: one result per rule, sorted, with reasons, places and suggestions."""

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from imbalance_doctor.engine import judge
from imbalance_doctor.engine.base import Judgement
from imbalance_doctor.engine.loader import read_rule
from imbalance_doctor.evidence import Location, TrainingPlan
from imbalance_doctor.facts.base import Facts

BAD = runpy.run_path(str(Path(__file__).with_name("malformed.py")))
GOOD, SELECTION = BAD["GOOD"], BAD["SELECTION"]


@pytest.fixture
def rule(tmp_path):
    def rule(rule_id="few-positives", base=GOOD, **changes):
        text = base.replace("id: few-positives", f"id: {rule_id}")
        lines = text[: text.index("examples:")].splitlines()
        for key, value in changes.items():
            lines = [line for line in lines if not line.startswith(f"{key}:")]
            lines += [f"{key}: {value}"] if value else []
        path = tmp_path / f"{rule_id}.yaml"
        path.write_text("\n".join(lines) + "\nexamples: [{name: a, facts: {}, expect: passes}]\n")
        return read_rule(path)

    return rule


def bare(rule, rule_id, **changes):
    """A rule about the gap between positives alone."""
    plain = {"applies_to": "", "suggest": "", "message": "'{least}'", "when": "batch.gap > least"}
    return rule(rule_id, **(plain | changes))


def facts(loss="bce", **batch):
    return Facts(
        plan=TrainingPlan(loss=loss, sampler="shuffle"),
        batch=SimpleNamespace(**batch),
        labels=SimpleNamespace(),
    )


def test_a_finding_carries_all_of_its_rule(rule):
    judged = judge([rule()], facts(expected_positives=4, prevalence=0.01), run="a run")
    (finding,) = judged.findings
    assert finding.rule == "few-positives"
    assert finding.title == "A batch holds too few positives"
    assert (finding.severity, finding.confidence) == ("warning", "high")
    assert finding.message == "4 positives; use 500."
    assert finding.why == "The gradient is noise."
    assert finding.remedy == "Raise the batch size."
    assert finding.covers == ("AP-3",)
    assert finding.cause == "starved-batches"
    assert finding.facts == {
        "batch.expected_positives": 4,
        "plan.sampler": "shuffle",
        "batch.prevalence": 0.01,
    }
    assert finding.suggest == {"batch_size": 500}
    assert isinstance(finding.suggest["batch_size"], int)
    assert finding.where is None
    assert finding.run == "a run"
    assert judged == Judgement(findings=(finding,))


def test_every_rule_ends_as_exactly_one_result(rule):
    rules = [
        bare(rule, "fires"),
        bare(rule, "passes", when="batch.gap < least"),
        bare(rule, "unknown", when="pool.size < least"),
        bare(rule, "elsewhere", applies_to="[smooth-ap]"),
        rule("merit", SELECTION, when="batch.gap > 1"),
    ]
    judged = judge(rules, facts(gap=6))
    assert [f.rule for f in judged.findings] == ["fires"]
    assert [p.rule for p in judged.passed] == ["passes"]
    assert [u.rule for u in judged.unknown] == ["unknown"]
    assert [n.rule for n in judged.not_applicable] == ["elsewhere"]
    assert [m.rule for m in judged.merits] == ["merit"]
    assert judged.not_applicable[0].because == "it speaks of smooth-ap, and the plan has bce"


def test_findings_are_sorted(rule):
    made = [
        bare(rule, name, severity=severity, confidence=confidence)
        for name, severity, confidence in [
            ("g", "note", "high"),
            ("f", "note", "high"),
            ("d", "warning", "low"),
            ("e", "warning", "high"),
            ("c", "error", "low"),
            ("b", "error", "medium"),
            ("a", "error", "medium"),
        ]
    ]
    judged = judge(made, facts(gap=6))
    assert [f.rule for f in judged.findings] == ["a", "b", "c", "e", "d", "f", "g"]
    assert [u.rule for u in judge(made, facts()).unknown] == ["a", "b", "c", "d", "e", "f", "g"]


def test_a_selection_rule_gives_a_merit(rule):
    judged = judge([rule("merit", SELECTION)], Facts(plan=TrainingPlan(metric="average_precision")))
    (merit,) = judged.merits
    assert (merit.loss, merit.value, merit.low, merit.high) == ("smooth-ap", 0.02, 0.01, 0.03)
    assert (merit.unit, merit.basis) == ("average precision", "measured")
    assert (merit.against, merit.range) == ("plain BCE or CE", "95 % interval")
    assert merit.message == "Smooth-AP wins."
    assert merit.facts == {"plan.metric": "average_precision"}
    text = SELECTION.replace("basis: measured", "basis: measured, against: focal loss, range: a guess")
    (merit,) = judge([rule("merit", text)], Facts(plan=TrainingPlan(metric="average_precision"))).merits
    assert (merit.against, merit.range) == ("focal loss", "a guess")
    (unknown,) = judge([rule("merit", SELECTION)], Facts()).unknown
    assert unknown.severity == "note"
    assert unknown.missing == ("plan.metric",)


# Unknown


@pytest.mark.parametrize(
    ("when", "given", "missing", "because"),
    [
        (
            "batch.gap > least",
            {},
            ("labels", "plan.batch_size"),
            "batch.gap needs labels and plan.batch_size",
        ),
        ("batch.gap > least", {"batch_size": 8}, ("labels",), "batch.gap needs labels"),
        ("plan.gamma > least", {}, ("plan.gamma",), "plan.gamma is not given"),
        (
            "batch.gap > least and batch.per_epoch > 1",
            {"batch_size": 8},
            ("labels", "plan.world_size"),
            "batch.gap needs labels; batch.per_epoch needs labels and plan.world_size",
        ),
        (
            "batch.size > least and labels.rows > 1",
            {},
            ("plan.batch_size", "labels"),
            "batch.size needs plan.batch_size; labels.rows needs labels",
        ),
        ("batch.size > least", {"batch_size": 8}, (), "batch.size is not defined here"),
        (
            "least / (plan.batch_size - 8) > 1",
            {"batch_size": 8},
            (),
            "division by zero in least / (plan.batch_size - 8)",
        ),
        (
            "plan.gamma > least or least / (plan.batch_size - 8) > 1",
            {"batch_size": 8},
            ("plan.gamma",),
            "plan.gamma is not given; division by zero in least / (plan.batch_size - 8)",
        ),
    ],
)
def test_unknown_says_what_would_settle_it(when, given, missing, because, rule):
    judged = judge([bare(rule, "a", when=when)], Facts(plan=TrainingPlan(**given)), run="r")
    (unknown,) = judged.unknown
    assert unknown.missing == missing
    assert unknown.because == because
    assert unknown.run == "r"
    assert unknown.severity == "warning"


def test_a_rule_for_some_losses_waits_for_the_loss(rule):
    made = bare(rule, "a", applies_to="[bce]")
    for gap in (4, 6):
        (unknown,) = judge([made], facts(loss=None, gap=gap)).unknown
        assert unknown.missing == ("plan.loss",)
        assert unknown.because == "plan.loss is not given"
    (unknown,) = judge([made], facts(loss=None)).unknown
    assert unknown.missing == ("plan.loss", "plan.batch_size")
    assert judge([made], facts(loss="bce", gap=6)).findings
    assert judge([made], facts(loss="bce", gap=4)).passed
    assert judge([made], facts(loss="ce", gap=6)).not_applicable


def test_nan_is_unknown_and_not_among_the_facts(rule):
    (unknown,) = judge([bare(rule, "a")], facts(gap=math.nan)).unknown
    assert unknown.because == "batch.gap is not a number"
    made = bare(rule, "a", when="batch.gap > least or batch.size > least")
    (finding,) = judge([made], facts(gap=math.nan, size=6)).findings
    assert finding.facts == {"batch.size": 6}


# Suggestions


@pytest.mark.parametrize(
    ("suggest", "expected"),
    [
        ("{queue_size: ceil(batch.size / 3)}", {"queue_size": 3}),
        ("{queue_size: ceil(batch.gap / 3)}", {}),
        ("{queue_size: floor(0 - batch.size)}", {}),
        ("{queue_size: floor(0 * batch.size)}", {"queue_size": 0}),
        ("{temperature: 0 * batch.size}", {}),
        ("{temperature: batch.size / 4}", {"temperature": 1.75}),
        ("{quantile: batch.size / 7}", {}),
        ("{quantile: batch.size / 8}", {"quantile": 0.875}),
        ("{quantile: batch.size / 0}", {}),
        ("{iid_mask: True}", {"iid_mask": True}),
        ("{iid_mask: batch.size > 7}", {"iid_mask": False}),
        ("{surrogate: \"'pairwise'\"}", {"surrogate": "pairwise"}),
        ("{queue_size: batch.size * 2, temperature: batch.gap}", {"queue_size": 14}),
    ],
)
def test_suggestions_are_values_the_plan_can_hold(suggest, expected, rule):
    made = bare(rule, "a", when="batch.size > least", suggest=suggest)
    (finding,) = judge([made], facts(size=7)).findings
    assert finding.suggest == expected


# Places


SPOTS = {
    name: Location(path="train.py", line=line, column=1)
    for line, name in enumerate(["loss", "batch_size", "queue_size", "sampler", "gamma"], 1)
}


@pytest.mark.parametrize(
    ("when", "suggest", "line"),
    [
        ("batch.gap > least", "", 2),
        ("batch.gap > least", "{queue_size: 4}", 3),
        ("batch.gap > least", "{temperature: 4}", 2),
        ("batch.gap > least and plan.sampler == 'shuffle'", "", 4),
        ("plan.loss == 'bce' and plan.sampler == 'shuffle'", "", 4),
        ("plan.loss == 'bce' and batch.gap > least", "", 2),
        ("plan.loss == 'bce' and least > 1", "", 1),
        ("not given(plan.gamma) and least > 1", "", 5),
        ("not given(plan.epochs) and least > 1", "", 1),
    ],
)
def test_a_finding_points_at_what_to_change(when, suggest, line, rule):
    made = bare(rule, "a", when=when, suggest=suggest)
    (finding,) = judge([made], facts(gap=6), where=SPOTS).findings
    assert finding.where == Location(path="train.py", line=line, column=1)
    (same,) = judge([made], facts(gap=6), where=SPOTS.get).findings
    assert same == finding


def test_nothing_to_point_at(rule):
    (finding,) = judge([bare(rule, "a")], facts(gap=6), where={}).findings
    assert finding.where is None
