"""The rules that judge labels, focal losses, warm-up, probabilities, and those that grade losses."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor import engine
from imbalance_doctor.evidence import METRICS, LabelCounts, PlannedRun, TrainingPlan
from imbalance_doctor.facts.base import Evidence, measure

if TYPE_CHECKING:
    from imbalance_doctor.engine.base import Finding, Judgement

FAMILIES = ("labels", "focal", "warmup", "calibration", "selection")
RULES = {rule.id: rule for rule in engine.load_rules() if rule.family in FAMILIES}
PUBLIC_RUNS = Path(__file__).parents[3] / "shared" / "data" / "focal_instability_runs.csv"
PREVALENCES = st.floats(1e-4, 0.6)


def binary(prevalence: float, rows: int = 100_000) -> LabelCounts:
    positives = max(2, round(rows * prevalence))
    return LabelCounts(
        classes=("0", "1"), counts=np.array([rows - positives, positives]), rows=rows, positive=1
    )


def tailed(*counts: int) -> LabelCounts:
    names = tuple(str(i) for i in range(len(counts)))
    return LabelCounts(classes=names, counts=np.array(counts), rows=sum(counts))


def judged(plan: TrainingPlan, labels: LabelCounts | None = None) -> Judgement:
    completed, _ = PlannedRun(plan=plan).completed()
    return engine.judge(RULES.values(), measure(Evidence(labels=labels, plan=completed)))


def loud(plan: TrainingPlan, labels: LabelCounts | None = None) -> dict[str, Finding]:
    return {f.rule: f for f in judged(plan, labels).findings if f.severity != "note"}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_keeps_its_own_examples_and_they_catch_its_mutants(rule: str) -> None:
    tested = engine.check_rule(RULES[rule])
    assert tested.passed, tested


def test_unstable_gamma_foretells_the_published_nan_runs() -> None:
    if not PUBLIC_RUNS.exists():
        pytest.skip(f"the published runs are not at {PUBLIC_RUNS}")
    told = {(alarm, nan): 0 for alarm in (True, False) for nan in (True, False)}
    with PUBLIC_RUNS.open(newline="") as file:
        for run in csv.DictReader(file):
            plan = TrainingPlan(
                loss="sigmoid-focal",
                implementation="custom",
                gamma=float(run["gamma"]),
                alpha=0.5,
                stabilised=run["kind"] == "Fixed",
            )
            told["unstable-gamma" in loud(plan), run["nan"] == "1"] += 1
    assert sum(told.values()) == 810
    assert told[False, True] == 0  # every NaN was foretold
    assert told[True, True] / (told[True, True] + told[True, False]) > 0.85
    assert told[False, False] == 162 + 405  # gamma 0, 1, ... and the stabilised runs stay silent


@pytest.mark.parametrize("implementation", [None, "imbalanced_losses", "torchvision", "custom"])
def test_unstable_gamma_is_an_error_where_the_form_is_not_known_to_be_stable(
    implementation: str | None,
) -> None:
    plan = TrainingPlan(loss="sigmoid-focal", gamma=0.5, implementation=implementation)
    assert loud(plan)["unstable-gamma"].severity == "error"


@given(gamma=st.floats(0, 2), prevalence=PREVALENCES)
def test_no_advice_on_gamma_is_an_unstable_gamma(gamma: float, prevalence: float) -> None:
    plan = TrainingPlan(loss="sigmoid-focal", gamma=gamma, alpha=-1, batch_size=256, metric="roc_auc")
    for found in judged(plan, binary(prevalence)).findings:
        advice = found.suggest.get("gamma", 1)
        assert advice in {0, 1, 2}


@pytest.mark.parametrize(
    ("plan", "noise"),
    [
        (TrainingPlan(loss="sigmoid-focal", gamma=2), 0.06),
        (TrainingPlan(loss="softmax-focal", gamma=1), 0.06),
        (TrainingPlan(loss="smooth-ap"), 0.06),
        (TrainingPlan(loss="recall-at-quantile"), 0.06),
        (TrainingPlan(loss="pauc-at-budget"), 0.06),
        (TrainingPlan(loss="weighted-bce", pos_weight=50), 0.06),
    ],
)
def test_label_noise_is_heard_and_low_noise_is_not(plan: TrainingPlan, noise: float) -> None:
    heard = {rule for rule in loud(plan.replace(label_noise=noise)) if "noisy" in rule}
    assert heard
    assert not {rule for rule in loud(plan.replace(label_noise=0.01)) if "noisy" in rule}


@pytest.mark.parametrize("loss", ["smooth-ap", "recall-at-quantile", "pauc-at-budget"])
def test_a_little_noise_under_a_ranking_loss_is_noted_but_gates_nothing(loss: str) -> None:
    plan = TrainingPlan(loss=loss, label_noise=0.03)
    assert "some-noisy-positives-under-ranking" in {f.rule for f in judged(plan).findings}
    assert not {rule for rule in loud(plan) if "noisy" in rule}


@given(noise=st.floats(0, 1), prevalence=PREVALENCES)
def test_some_plan_is_silent_whatever_the_label_noise(noise: float, prevalence: float) -> None:
    plan = TrainingPlan(loss="bce", batch_size=256, epochs=10, label_noise=noise, probabilities_used=True)
    assert not loud(plan, binary(prevalence))


@given(
    loss=st.sampled_from(["bce", "sigmoid-focal"]),
    prevalence=st.floats(0.001, 0.5),
    batch=st.sampled_from([32, 64, 256, 1024]),
    metric=st.sampled_from([m for m in METRICS if m != "calibrated_probability"]),
)
def test_healthy_plans_are_silent(loss: str, prevalence: float, batch: int, metric: str) -> None:
    focal = {"gamma": 2.0, "alpha": -1.0} if loss == "sigmoid-focal" else {}
    plan = TrainingPlan(
        loss=loss, batch_size=batch, epochs=10, metric=metric, label_noise=0.0, probabilities_used=False
    ).replace(**focal)
    assert not loud(plan, binary(prevalence))


def test_weights_by_the_square_root_are_silent_and_full_ones_are_not() -> None:
    labels = tailed(9000, 900, 90)
    plan = TrainingPlan(loss="weighted-ce", batch_size=256, metric="f1", class_weights=(1.0, 10**0.5, 10.0))
    steep = plan.replace(class_weights=(1.0, 10.0, 100.0))
    assert "class-weights-beyond-the-square-root" not in {f.rule for f in judged(plan, labels).findings}
    assert "class-weights-beyond-the-square-root" in {f.rule for f in judged(steep, labels).findings}
    assert not loud(plan, labels)
    assert not loud(steep, labels)


@settings(max_examples=200)
@given(
    labels=st.one_of(
        PREVALENCES.map(binary),
        st.lists(st.integers(2, 5000), min_size=3, max_size=6).map(lambda counts: tailed(*counts)),
    ),
    metric=st.sampled_from([*METRICS, None]),
    task=st.sampled_from([None, "binary", "detection"]),
    baseline=st.one_of(st.none(), st.floats(0.9, 1)),
)
def test_a_problem_gives_each_loss_one_merit_at_most(
    labels: LabelCounts, metric: str | None, task: str | None, baseline: float | None
) -> None:
    plan = TrainingPlan(metric=metric, task=task, baseline_roc_auc=baseline, baseline_metric=baseline)
    losses = [merit.loss for merit in judged(plan, labels).merits]
    assert len(losses) == len(set(losses))
    assert "bce" in losses or "ce" in losses


def test_nothing_but_the_plain_losses_is_graded_well_for_probabilities() -> None:
    plan = TrainingPlan(metric="calibrated_probability")
    for labels in (binary(0.02), tailed(900, 90, 9)):
        merits = judged(plan, labels).merits
        assert {m.loss for m in merits if m.high > 0} == set()
        assert len(merits) >= 5


@pytest.mark.parametrize(
    ("roc_auc", "metric", "wins"), [(0.99, 0.4, True), (0.9, 0.4, False), (0.99, 0.8, False)]
)
def test_smooth_ap_is_graded_above_plain_bce_only_where_the_top_is_contested(
    roc_auc: float, metric: float, *, wins: bool
) -> None:
    plan = TrainingPlan(metric="average_precision", baseline_roc_auc=roc_auc, baseline_metric=metric)
    merits = {m.loss: m for m in judged(plan, binary(0.002)).merits}
    assert (merits["smooth-ap"].low > 0) is wins


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_a_stated_prevalence_of_none_or_all_is_an_error(prevalence: float) -> None:
    plan = TrainingPlan(loss="bce", batch_size=64, prevalence=prevalence)
    assert loud(plan)["one-sided-labels"].severity == "error"


@given(prevalence=st.floats(1e-6, 1 - 1e-6))
def test_a_stated_prevalence_in_between_is_none(prevalence: float) -> None:
    assert "one-sided-labels" not in loud(TrainingPlan(loss="bce", batch_size=64, prevalence=prevalence))


@pytest.mark.parametrize("loss", ["ce", "weighted-ce", "softmax-focal", "smooth-ap", "pauc-at-budget"])
def test_classes_beyond_the_outputs_are_an_error(loss: str) -> None:
    labels = tailed(*range(1000, 1050))
    for outputs in (10, 49):
        found = loud(TrainingPlan(loss=loss, batch_size=256, num_classes=outputs), labels)
        assert found["fewer-outputs-than-classes"].severity == "error"
    plan = TrainingPlan(loss=loss, batch_size=256, num_classes=50)
    assert "fewer-outputs-than-classes" not in loud(plan, labels)


def test_one_score_ranks_two_classes() -> None:
    plan = TrainingPlan(loss="smooth-ap", batch_size=256, num_classes=1)
    assert "fewer-outputs-than-classes" not in loud(plan, binary(0.1))


@given(sampled=st.floats(0.1, 0.9))
def test_a_sampler_leaves_plain_bce_a_way_out_where_probabilities_are_used(sampled: float) -> None:
    plan = TrainingPlan(
        loss="bce", batch_size=256, sampler="weighted", sampler_prevalence=sampled, probabilities_used=True
    )
    assert not loud(plan, binary(0.01))
    (found,) = (f for f in judged(plan, binary(0.01)).findings if f.rule.endswith("shifted-prior"))
    assert "logit(batch prevalence) - logit(data prevalence)" in found.remedy


@pytest.mark.parametrize(("weight", "severity"), [(0.0204, "error"), (0.8, "warning"), (1.0, None)])
def test_a_weight_against_the_rare_class_is_told_once(weight: float, severity: str | None) -> None:
    found = loud(TrainingPlan(loss="weighted-bce", batch_size=256, pos_weight=weight), binary(0.02))
    heard = {f.severity for f in found.values() if f.rule.startswith("pos-weight-")}
    assert heard == ({severity} if severity else set())


@pytest.mark.parametrize("rule", sorted(r.id for r in RULES.values() if r.merit is not None))
def test_what_nobody_measured_is_not_called_an_interval(rule: str) -> None:
    merit, why = RULES[rule].merit, RULES[rule].why
    assert merit is not None
    guessed = merit.basis == "documented" or "guess" in why or "No interval" in why
    assert (merit.range == "95 % interval") <= (not guessed)
    assert ("guess" in merit.range) <= guessed
