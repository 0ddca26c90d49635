"""Causes are ranked by evidence, symptoms hide under what explains them, silence alone is not health."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.causes import catalogue, explain, rank, verdict
from imbalance_doctor.diagnose import TrainedRun
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.evidence import TrainingLog
from imbalance_doctor.facts.base import Facts
from imbalance_doctor.facts.training import Training

WEIGHT = {"high": 3.0, "medium": 1.5, "low": 0.7}


def finding(rule, cause="", confidence="high", severity="error", explains=(), from_log=True, also=()):
    return Finding(
        rule=rule,
        title=rule,
        severity=severity,
        confidence=confidence,
        message=rule,
        remedy=f"mend {rule}",
        cause=cause,
        also=dict(also) if cause else {},
        explains=explains,
        from_log=from_log,
    )


FINDINGS = st.lists(
    st.builds(
        finding,
        rule=st.sampled_from("abcdefgh"),
        cause=st.sampled_from(["", *list(catalogue())[:4]]),
        confidence=st.sampled_from(list(WEIGHT)),
        explains=st.lists(st.sampled_from("abcdefgh"), max_size=3).map(tuple),
        from_log=st.booleans(),
        also=st.dictionaries(st.sampled_from(list(catalogue())[4:7]), st.floats(0.01, 0.99), max_size=2),
    ),
    unique_by=lambda f: f.rule,
    max_size=8,
)


def test_scores_are_shares_of_the_evidence():
    causes = rank(explain([finding("a", "stale-queue"), finding("b", "poisoned-queue", "low")]))
    odds = [math.exp(3.0), math.exp(0.7)]
    assert [c.id for c in causes] == ["stale-queue", "poisoned-queue"]
    assert [c.score for c in causes] == pytest.approx([o / (1 + sum(odds)) for o in odds], rel=1e-12)
    assert [c.confidence for c in causes] == ["medium", "low"]


def test_two_findings_say_more_than_one():
    one = rank(explain([finding("a", "stale-queue", "medium")]))[0]
    two = rank(explain([finding("a", "stale-queue", "medium"), finding("b", "stale-queue", "low")]))[0]
    assert two.score > one.score
    assert [f.rule for f in two.findings] == ["a", "b"]
    assert two.remedy == "mend a"


def test_a_finding_speaks_for_further_causes_by_a_share():
    causes = rank(explain([finding("a", "stale-queue", "medium", also={"poisoned-queue": 0.5})]))
    odds = [math.exp(1.5), math.exp(0.75)]
    assert [c.id for c in causes] == ["stale-queue", "poisoned-queue"]
    assert [c.score for c in causes] == pytest.approx([o / (1 + sum(odds)) for o in odds], rel=1e-12)
    assert [c.remedy for c in causes] == ["mend a", ""]  # the remedy is for the first cause


def test_further_causes_of_an_explained_symptom_do_not_count():
    symptom = finding("b", "learning-rate-too-high", also={"stale-queue": 0.9})
    causes = rank(explain([finding("a", "temperature-below-resolution", explains=("b",)), symptom]))
    assert [c.id for c in causes] == ["temperature-below-resolution"]


def test_further_causes_add_up_with_a_finding_of_their_own():
    own = rank(explain([finding("b", "stale-queue", "low")]))[0]
    both = [
        finding("a", "poisoned-queue", "low", also={"stale-queue": 0.5}),
        finding("b", "stale-queue", "low"),
    ]
    first, second = rank(explain(both))
    assert (first.id, second.id) == ("stale-queue", "poisoned-queue")
    assert first.remedy == own.remedy == "mend b"


def test_what_only_the_plan_says_weighs_half():
    seen = rank(explain([finding("a", "stale-queue")]))[0]
    foreseen = rank(explain([finding("a", "stale-queue", from_log=False)]))[0]
    assert foreseen.score == pytest.approx(math.exp(1.5) / (1 + math.exp(1.5)))
    assert seen.score > foreseen.score


def test_a_symptom_hides_under_its_explanation_and_supports_it():
    cause = finding("a", "temperature-below-resolution", "medium", explains=("b",))
    symptom = finding("b", "learning-rate-too-high")
    explained = explain([symptom, cause])
    assert explained.by == {"b": "a"}
    assert [f.rule for f in explained.shown] == ["a"]
    (only,) = rank(explained)
    assert only.id == "temperature-below-resolution"
    assert only.score == pytest.approx(math.exp(1.5 + 0.75) / (1 + math.exp(2.25)))
    assert [f.rule for f in only.findings] == ["a", "b"]


def test_many_symptoms_do_not_drive_a_cause_up():
    cause = finding("a", "temperature-below-resolution", "low", explains=tuple("bcdef"))
    few = rank(explain([cause, finding("b")]))[0]
    many = rank(explain([cause, *map(finding, "bcdef")]))[0]
    assert many.score == few.score == pytest.approx(math.exp(1.05) / (1 + math.exp(1.05)))


def test_a_chain_of_explanations_ends_at_its_head():
    explained = explain([finding("c"), finding("b", explains=("c",)), finding("a", explains=("b",))])
    assert explained.by == {"b": "a", "c": "a"}


def test_findings_that_explain_each_other_both_stay():
    explained = explain([finding("a", explains=("b",)), finding("b", explains=("a",))])
    assert explained.by == {}


@given(FINDINGS)
def test_ranking_holds_for_any_findings(findings):
    explained = explain(findings)
    causes = rank(explained)
    assert sum(c.score for c in causes) < 1
    assert [c.score for c in causes] == sorted((c.score for c in causes), reverse=True)
    assert not set(explained.by.values()) & set(explained.by)
    assert {f.rule for f in explained.shown} | set(explained.by) == {f.rule for f in findings}
    named = {name for f in explained.shown if f.cause for name in (f.cause, *f.also)}
    assert named == {c.id for c in causes}


def test_health_needs_to_have_been_looked_for():
    def facts(loss, validation):
        return Facts(training=Training(loss_points=loss, validation_points=validation))

    assert verdict([], facts(5, 3)) == ("healthy", "")
    assert verdict([], facts(4, 3))[0] == "cannot tell"
    assert verdict([], facts(0, 5))[0] == "healthy"
    assert verdict([], facts(0, 4))[0] == "cannot tell"
    assert verdict([], facts(5, 2)) == (
        "cannot tell",
        "the log holds 5 loss values and 2 of a validation metric",
    )
    assert verdict([finding("a", severity="note")], facts(5, 3))[0] == "healthy"
    assert verdict([finding("a", severity="warning")], facts(1, 0))[0] == "faulty"
    assert verdict([finding("a", from_log=False)], facts(5, 3))[0] == "healthy"


def test_a_run_hardly_begun_is_not_called_healthy():
    def said(progress, *findings):
        return verdict(
            findings, Facts(training=Training(loss_points=40, validation_points=9, progress=progress))
        )

    assert said(0.19) == ("cannot tell", "the log ends 19% into the planned run")
    assert said(0.2)[0] == said(None)[0] == "healthy"
    assert said(0.01, finding("a", severity="warning"))[0] == "faulty"


def test_a_low_metric_without_a_fault_cannot_be_told():
    def said(**seen):
        training = {
            "loss_points": 40,
            "validation_points": 40,
            "metric_kind": "average_precision",
            "metric_end": 0.3,
        }
        return verdict([], Facts(training=Training(**training | seen)))

    assert said() == ("healthy", "")
    because = "the metric ends at 0.300; nothing here tells whether the data give more"
    assert said(roc_auc_end=0.7) == ("cannot tell", because)
    assert said(roc_auc_end=0.71)[0] == "healthy"
    assert said(roc_auc_end=0.85, prior_loss_ratio=1.5)[0] == "cannot tell"
    assert said(roc_auc_end=0.85, prior_loss_ratio=1.49)[0] == "healthy"
    assert said(roc_auc_end=0.86, prior_loss_ratio=1.5)[0] == "healthy"
    assert said(roc_auc_end=0.6, metric_end=0.5)[0] == "healthy"
    assert said(roc_auc_end=0.6, metric_kind="f1")[0] == "healthy"
    assert said(roc_auc_end=0.6, gradient_zero_share=0.0)[0] == "healthy"
    assert said(roc_auc_end=0.6, loss_points=2, validation_points=2)[1].startswith("the log holds 2 loss")


def test_every_cause_of_a_rule_is_in_the_catalogue_and_every_explained_rule_exists():
    rules = load_rules().rules
    for rule in rules.values():
        assert {rule.cause, *rule.also} - {""} <= set(catalogue()), rule.id
        assert set(rule.explains) <= set(rules), rule.id


def test_the_causes_cover_what_the_contract_says():
    ids = yaml.safe_load((Path(__file__).parents[1] / "catalogue_ids.yaml").read_text(encoding="utf-8"))
    for cause in catalogue().values():
        assert set(cause.covers) <= set(ids)


def run_of(*findings):
    return TrainedRun.of(TrainingLog(series=()), "", Facts(), findings)


def test_what_only_plan_or_labels_say_is_no_sign_of_an_unharmed_run():
    plan = finding("a", "majority-collapse", severity="note", from_log=False)
    log = finding("b", "stale-queue", severity="note")
    assert run_of(plan).causes == ()
    assert [c.id for c in run_of(plan, log).causes] == ["stale-queue"]


def test_what_the_plan_says_may_be_the_cause_of_harm():
    plan = finding("a", "poisoned-queue", from_log=False)
    assert [c.id for c in run_of(plan, finding("b")).causes] == ["poisoned-queue"]


def test_skewed_labels_alone_speak_for_no_cause():
    assert load_rules().rules["accuracy-that-hides-the-rare-class"].cause == ""
