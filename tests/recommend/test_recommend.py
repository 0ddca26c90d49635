"""A recommendation is clean by construction, bounded on both sides, and honest where nothing works."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.diagnose import diagnose
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import (
    METRICS,
    PLAN_FIELDS,
    RANKING_LOSSES,
    LabelCounts,
    PlannedRun,
    TrainingPlan,
)
from imbalance_doctor.recommend.advise import recommend
from imbalance_doctor.recommend.search import Bench
from imbalance_doctor.sources.plans import read_plan, write_plan

RULES = tuple(load_rules().rules.values())


def binary(rows, positives):
    return LabelCounts(
        classes=("0", "1"), counts=np.array([rows - positives, positives]), rows=rows, positive=1
    )


def multiclass(*counts):
    return LabelCounts(classes=tuple(map(str, range(len(counts)))), counts=np.array(counts), rows=sum(counts))


def multilabel(rows, *positives):
    return LabelCounts(
        classes=tuple(map(str, range(len(positives)))),
        counts=np.array(positives),
        rows=rows,
        kind="indicator",
    )


def advise(labels, **fixed):
    return recommend(RULES, PlannedRun(plan=TrainingPlan(**fixed)), labels=labels)


def alarms(plan, labels):
    found = diagnose(RULES, labels=labels, runs=[PlannedRun(plan=plan)]).findings
    return [f for f in found if f.severity != "note"]


LABELS = st.one_of(
    st.builds(
        lambda rows, share: binary(rows, max(2, min(rows - 2, round(rows * share)))),
        st.integers(200, 10_000_000),
        st.floats(1e-5, 0.6),
    ),
    st.lists(st.integers(2, 200_000), min_size=3, max_size=20).map(lambda c: multiclass(*c)),
    st.builds(
        lambda rows, shares: multilabel(rows, *[max(1, round(rows * s)) for s in shares]),
        st.integers(500, 1_000_000),
        st.lists(st.floats(1e-4, 0.5), min_size=2, max_size=8),
    ),
)
CHOSEN = st.fixed_dictionaries(
    {},
    optional={
        "metric": st.sampled_from(METRICS),
        "batch_size": st.sampled_from([16, 32, 64, 256, 1024]),
        "world_size": st.sampled_from([1, 2, 8]),
        "label_noise": st.sampled_from([0.0, 0.01, 0.1, 0.3]),
        "learning_rate": st.sampled_from([1e-4, 1e-3, 1e-2]),
        "precision": st.sampled_from(["fp32", "bf16", "fp16"]),
        "memory_budget": st.sampled_from([10**7, 10**9, 10**11]),
        "probabilities_used": st.booleans(),
        "score_std": st.sampled_from([0.1, 2.5, 20.0]),
        "pretrained": st.booleans(),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(labels=LABELS, fixed=CHOSEN)
def test_check_of_a_recommended_plan_reports_no_error_and_no_warning(labels, fixed):
    advice = advise(labels, **fixed)
    if not advice.feasible:
        assert advice.blockers
        return
    assert not alarms(advice.plan, labels)
    for field, value in fixed.items():
        assert getattr(advice.plan, field) == value


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(labels=LABELS, loss=st.sampled_from(RANKING_LOSSES))
def test_check_of_a_forced_ranking_loss_is_clean_too(labels, loss):
    advice = advise(labels, loss=loss)
    assert advice.plan.loss == loss
    assert advice.feasible == (not alarms(advice.plan, labels))


def test_a_recommended_plan_survives_its_file(tmp_path):
    labels = binary(100_000, 300)
    advice = advise(labels, loss="smooth-ap")
    write_plan(advice.plan, tmp_path / "train.yaml")
    (run,) = read_plan(str(tmp_path / "train.yaml"))
    assert run.plan == advice.plan


@pytest.mark.parametrize("prevalence", [0.002, 0.01, 0.1])
def test_queue_size_is_bounded_by_the_rule_it_names(prevalence):
    labels = binary(1_000_000, round(1_000_000 * prevalence))
    advice = advise(labels, loss="smooth-ap", batch_size=64)
    queue = advice.choices["queue_size"]
    bench = Bench(RULES, labels)
    assert queue.low <= queue.value
    assert bench.silent(advice.plan.replace(queue_size=int(queue.low)))
    below = bench.findings(advice.plan.replace(queue_size=int(queue.low) - 1))
    assert below
    assert any(b.startswith(f"{below[0].rule}: ") for b in queue.because)
    if queue.high is not None:
        assert bench.silent(advice.plan.replace(queue_size=int(queue.high)))
        assert bench.findings(advice.plan.replace(queue_size=int(queue.high) + 1))


def test_rarer_positives_need_a_larger_queue():
    queues = [
        advise(binary(5_000_000, n), loss="smooth-ap", batch_size=64).choices["queue_size"].low
        for n in (500_000, 50_000, 5_000)
    ]
    assert queues == sorted(queues)
    assert queues[0] < queues[-1]


@pytest.mark.parametrize("metric", ["roc_auc", "calibrated_probability"])
def test_plain_bce_where_nothing_else_is_measured_to_help(metric):
    advice = advise(binary(50_000, 500), metric=metric)
    assert advice.plan.loss == "bce"
    assert advice.choices["loss"].because


def test_mild_imbalance_needs_no_special_loss():
    assert advise(binary(10_000, 4_000)).plan.loss == "bce"


def test_another_loss_wins_where_the_top_is_contested():
    labels = binary(1_000_000, 1_500)
    ordinary = advise(labels, metric="average_precision")
    contested = advise(labels, metric="average_precision", baseline_roc_auc=0.99, baseline_metric=0.3)
    assert ordinary.plan.loss == "bce"
    assert contested.plan.loss == "weighted-bce"
    assert contested.plan.hard_example_mining is True
    assert contested.plan.pos_weight == pytest.approx(0.1 * 998_500 / 1_500, rel=0.01)
    assert any("hardest tenth" in reason for reason in contested.choices["pos_weight"].because)
    assert "mines each batch" in contested.choices["queue_size"].because[0]
    assert contested.gain.low > 0.1
    assert "mined hard negatives" in contested.gain.message
    assert not alarms(contested.plan, labels)
    # close behind: the ranking loss, with a queue
    smooth = next(a for a in contested.alternatives if a.loss == "smooth-ap")
    assert smooth.plan.queue_size > 0
    merit = {m.loss: m for m in contested.merits}
    assert 0 < merit["smooth-ap"].low < merit["smooth-ap"].value < contested.gain.value


EDGE = {"baseline_roc_auc": 0.98, "baseline_metric": 0.795, "metric": "average_precision"}
SEPARATES = {"baseline_roc_auc": 0.85, "baseline_metric": None}
MINING = {"weighted-bce-in-a-contested-top", "weighted-bce-above-a-separating-baseline"}


@pytest.mark.parametrize(
    ("positives", "changed", "mines"),
    [
        (995, {}, True),
        (995, {"metric": None}, True),
        (995, {"hard_example_mining": False}, False),
        (995, {"baseline_roc_auc": 0.975}, False),
        (995, {"baseline_metric": 0.8}, False),
        (995, {"baseline_metric": None}, False),
        (995, {"metric": "recall_at_quantile"}, False),
        (1_000, {}, True),
        (1_000, SEPARATES, True),
        (995, SEPARATES, False),
        (15_000, SEPARATES, True),
        (15_100, SEPARATES, False),
        (5_000, {**SEPARATES, "baseline_roc_auc": 0.845}, False),
        (5_000, {**SEPARATES, "metric": None}, True),
        (5_000, {**SEPARATES, "metric": "roc_auc"}, False),
    ],
)
def test_negatives_are_mined_where_the_rule_says_so_and_nowhere_else(positives, changed, mines):
    labels = binary(100_000, positives)
    told = {**EDGE, **changed}
    plan = advise(labels, loss="weighted-bce", **told).plan
    assert bool(plan.hard_example_mining) is mines
    odds = (100_000 - positives) / positives
    assert plan.pos_weight == pytest.approx(max(1, 0.1 * odds) if mines else odds**0.5, rel=0.01)
    bench = Bench(RULES, labels)
    fired = {m.rule for m in bench.merits(TrainingPlan(**told)).merits}
    if "hard_example_mining" not in changed:
        assert len(fired & MINING) == mines


@pytest.mark.parametrize("prevalence", [0.002, 0.009])
def test_the_weight_of_a_stated_prevalence_is_that_of_its_labels(prevalence):
    rows = 1_000_000
    for told in ({**EDGE}, {"metric": "f1"}):
        stated = advise(None, prevalence=prevalence, loss="weighted-bce", **told)
        counted = advise(binary(rows, round(rows * prevalence)), loss="weighted-bce", **told)
        assert stated.plan.pos_weight == counted.plan.pos_weight


def test_code_for_mined_negatives_says_what_the_library_does():
    torch = pytest.importorskip("torch")
    advice = advise(binary(100_000, 500), loss="weighted-bce", **EDGE)
    assert set(advice.code) == {"torch", "imbalance_doctor"}
    losses = {}
    for title, text in advice.code.items():
        exec(text, space := {})  # noqa: S102  the project's own text, checked here to run
        losses[title] = space["loss_fn"]
    draw = torch.Generator().manual_seed(0)
    for positives in (0, 1, 7, 300):
        logits, targets = (
            torch.randn(300, 1, generator=draw),
            (torch.arange(300) < positives).float()[:, None],
        )
        pasted, ours = (losses[title](logits, targets) for title in ("torch", "imbalance_doctor"))
        assert pasted.item() == pytest.approx(ours.item(), rel=1e-6)
    plain = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(advice.plan.pos_weight))
    assert losses["torch"](logits[:200], targets[:200] * 0).item() != pytest.approx(
        plain(logits[:200], targets[:200] * 0).item(), rel=0.01
    )


def test_ranking_losses_win_where_the_top_is_contested_and_recall_or_a_partial_auc_counts():
    labels = binary(1_000_000, 1_500)
    for budget in (
        {"metric": "recall_at_quantile", "metric_quantile": 0.005},
        {"metric": "partial_auc", "metric_fpr_high": 0.01},
    ):
        contested = advise(labels, baseline_roc_auc=0.99, baseline_metric=0.3, **budget)
        assert contested.plan.loss in RANKING_LOSSES
        assert contested.plan.queue_size > 0


def test_plain_bce_comes_first_and_what_it_reaches_decides_what_comes_next():
    labels = binary(10_000, 500)
    first = advise(labels, metric="average_precision")
    assert first.plan.loss == "bce"
    assert "weighted-bce" in first.question.effect
    assert "baseline_roc_auc" in first.question.fields
    assert advise(labels, metric="average_precision", baseline_roc_auc=0.8).plan.loss == "bce"
    then = advise(labels, metric="average_precision", baseline_roc_auc=0.9, baseline_metric=0.5)
    assert (then.plan.loss, then.plan.hard_example_mining) == ("weighted-bce", True)
    assert 0 < then.gain.low < then.gain.value < 0.03
    assert not alarms(then.plan, labels)


def test_the_gain_is_told_for_the_mean_and_for_a_single_data_set():
    ordinary = advise(binary(10_000, 500), metric="average_precision", baseline_roc_auc=0.9)
    gain = ordinary.gain
    assert gain.one_low < gain.low <= gain.value <= gain.high < gain.one_high
    for figure in (gain.value, gain.low, gain.high, gain.one_low, gain.one_high):
        assert f"{figure:+.3f}" in ordinary.expected_gain
    assert "moved more than the loss" in ordinary.expected_gain
    contested = advise(binary(1_000_000, 1_500), baseline_roc_auc=0.99, baseline_metric=0.3)
    assert "moved more than the loss" not in contested.expected_gain
    assert advise(binary(10_000, 4_000)).gain.value == 0


def test_the_losses_that_run_away_are_never_chosen_by_themselves():
    for metric in METRICS:
        plan = advise(binary(200_000, 2_000), metric=metric).plan
        assert plan.loss != "recall-at-quantile"
        assert plan.surrogate != "trapezoid"


def test_no_gamma_between_zero_and_one():
    for labels in (binary(50_000, 500), multiclass(50_000, 5_000, 500)):
        gamma = advise(labels).plan.gamma
        assert gamma is None or gamma == 0 or gamma >= 1


def test_impossible_wishes_name_the_requirement_and_what_would_meet_it():
    advice = advise(
        binary(1_000_000, 1_000), loss="recall-at-quantile", quantile=0.0001, batch_size=32, queue_size=64
    )
    assert not advice.feasible
    assert any("RQ-8" in f.covers or "RQ-3" in f.covers or "RQ-5" in f.covers for f in advice.blockers)
    assert advice.remedies


def test_without_labels_or_prevalence_there_is_nothing_to_advise():
    with pytest.raises(InputError, match="labels"):
        advise(None)


def test_the_choices_the_tool_is_named_for_are_always_there():
    for labels in (binary(50_000, 500), multiclass(900, 90, 9), multilabel(5_000, 50, 500)):
        choices = advise(labels).choices
        assert {"loss", "queue_size", "max_pool_size"} <= set(choices)
        assert set(choices) <= set(PLAN_FIELDS)
        assert all(c.because for c in choices.values())


def test_a_question_is_asked_whose_answer_changes_the_loss():
    labels = binary(100_000, 1_000)
    advice = advise(labels)
    assert advice.question is not None
    assert set(advice.question.fields) <= set(PLAN_FIELDS)
    assert "would become" in advice.question.effect


CODE = [
    (binary(50_000, 500), {}),
    (binary(50_000, 500), {"metric": "calibrated_probability"}),
    (binary(50_000, 500), {"loss": "weighted-bce"}),
    (binary(50_000, 400), {"baseline_roc_auc": 0.99, "baseline_metric": 0.3}),
    (multilabel(50_000, 400, 300), {"baseline_roc_auc": 0.99, "baseline_metric": 0.3}),
    (binary(50_000, 500), {"loss": "sigmoid-focal", "alpha": 0.75}),
    (binary(50_000, 500), {"loss": "smooth-ap"}),
    (binary(50_000, 500), {"loss": "pauc-at-budget"}),
    (binary(50_000, 1500), {"loss": "recall-at-quantile"}),
    (multiclass(50_000, 5_000, 500), {}),
    (multiclass(50_000, 5_000, 500), {"metric": "average_precision"}),
    (multiclass(50_000, 5_000, 500), {"loss": "softmax-focal"}),
    (multiclass(50_000, 5_000, 500), {"loss": "weighted-ce"}),
    (multiclass(50_000, 5_000, 1_500), {"loss": "smooth-ap"}),
    (multilabel(50_000, 5_000, 500, 2_500), {}),
    (multilabel(50_000, 5_000, 500, 2_500), {"loss": "smooth-ap"}),
    (multilabel(50_000, 5_000, 500, 2_500), {"loss": "pauc-at-budget"}),
]


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize(("labels", "fixed"), CODE, ids=[str(n) for n in range(len(CODE))])
def test_code_runs_as_it_says(labels, fixed, half):
    torch = pytest.importorskip("torch")
    plan = {**fixed, "precision": "bf16"} if half else fixed
    advice = advise(labels, **plan)
    assert advice.code
    for title, text in advice.code.items():
        space = {}
        exec(text, space)  # noqa: S102  the project's own text, checked here to run
        multi = labels.kind == "indicator" or len(labels.classes) > 2
        classes = len(labels.classes) if multi else 1
        logits = torch.randn(256, classes, requires_grad=True)
        if labels.kind == "indicator":
            targets = (torch.rand(256, classes) < 0.3).float()
        elif multi:
            targets = torch.arange(256) % classes
        else:
            targets = (torch.arange(256) % 4 == 0).float()[:, None]
        given = logits.bfloat16().float() if half and "logits.float()" in text else logits
        space["loss_fn"](given, targets).backward()
        assert torch.isfinite(logits.grad).all(), title
        assert logits.grad.abs().sum() > 0, title


def test_code_says_what_the_labels_must_become():
    signed = LabelCounts(
        classes=("-1", "1"), counts=np.array([9_900, 100]), rows=10_000, positive=1, encoding="signed"
    )
    assert all("1.0 where the label is '1'" in text for text in advise(signed).code.values())


def test_a_queue_is_no_longer_than_the_data():
    labels = multilabel(20_000, 40, 4_000)
    for loss in RANKING_LOSSES:
        plan = advise(labels, loss=loss).plan
        assert plan.queue_size <= 20_000


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_a_prevalence_at_an_end_is_no_crash(prevalence):
    advise(None, prevalence=prevalence)


def test_a_review_budget_below_the_prevalence_still_trains():
    advice = advise(binary(100_000, 2_000), loss="recall-at-quantile", metric_quantile=0.001)
    assert advice.feasible
    assert advice.plan.quantile > 0.02


def test_the_blocked_loss_is_the_one_closest_to_working():
    advice = advise(binary(20_000, 400), sampler="weighted", sampler_prevalence=0.5, probabilities_used=True)
    if not advice.feasible:
        assert advice.plan.loss == "bce"
        assert advice.remedies


def test_no_value_outside_the_field_is_tried_beyond_a_boundary():
    counts = np.array([2360, 11485, 21556])
    labels = LabelCounts(classes=("0", "1", "2"), counts=counts, rows=int(counts.sum()))
    assert advise(labels).plan.batch_size >= 1  # a tenth below 1 is no batch
