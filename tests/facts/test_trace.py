"""Facts of the internals that ranking losses log, against logs made for them and plain twins."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.evidence import SERIES, LabelCounts, Series, TrainingLog, TrainingPlan
from imbalance_doctor.facts.base import Evidence, fact_specs, measure

N = 40
VALIDATED = ("average_precision", "roc_auc", "prevalence")


def log(hints=None, start=0, **series):
    """A log of one row per step; a name may carry its phase, as ``train__average_precision``."""
    made = []
    for key, given_values in series.items():
        phase, _, name = key.rpartition("__")
        if not phase and name in VALIDATED:
            phase = "val"
        if not phase and name == "loss":
            phase = "train"
        values = np.array(given_values, dtype=float)
        if values.ndim == 0:
            values = np.full(N, values)
        at = np.arange(start, start + len(values))
        made.append(
            Series(key=key, name=name, phase=phase, steps=at * 10.0, values=values, order=at, lines=at + 1)
        )
    return TrainingLog(series=tuple(made), hints=hints or {})


def facts(plan=None, labels=None, **series):
    return measure(Evidence(labels=labels, plan=plan or TrainingPlan(), log=log(**series)))


def trace(name, **series):
    return facts(**series).value(f"trace.{name}")


STAGE = np.repeat([0.0, 2.0], [10, 30])
MAIN = slice(10, None)


# ---------------------------------------------------------------- which rows count


def test_nothing_without_a_log():
    assert measure(Evidence()).family("trace") is None


def test_a_plain_log_is_no_ranking_log():
    found = facts(loss=1.0, score_std=2.0)
    assert found.value("trace.ranking") is False
    assert found.value("trace.pauc") is False
    assert found.value("trace.spread_over_temperature") is None
    assert found.value("trace.warmup_share") is None


@pytest.mark.parametrize(
    "name", ["temperature", "main_weight", "pool_positives", "queue_fill", "rank_loss_std"]
)
def test_what_only_ranking_losses_write(name):
    assert trace("ranking", loss=1.0, **{name: 1.0}) is True


@pytest.mark.parametrize(
    ("name", "told"), [("band_neg_count", True), ("tau_eff", True), ("temperature", False)]
)
def test_what_only_pauc_writes(name, told):
    assert trace("pauc", **{name: 1.0}) is told


def test_the_plan_tells_the_kind_of_loss():
    pauc = facts(plan=TrainingPlan(loss="pauc-at-budget"), loss=1.0)
    assert (pauc.value("trace.ranking"), pauc.value("trace.pauc")) == (True, True)
    focal = facts(plan=TrainingPlan(loss="sigmoid-focal"), loss=1.0)
    assert (focal.value("trace.ranking"), focal.value("trace.pauc")) == (False, False)


def test_warm_up_rows_do_not_count():
    spread = np.where(STAGE == 0, 100.0, 3.0)
    assert trace("spread_over_temperature_first", score_std=spread, temperature=1.0, stage=STAGE) == 3
    assert trace("spread_over_temperature_first", score_std=spread, temperature=1.0) == 100


def test_the_weight_tells_the_phase_where_no_stage_does():
    spread = np.where(STAGE == 0, 100.0, 3.0)
    weight = np.where(STAGE == 0, 0.0, 0.5)
    assert trace("spread_over_temperature_first", score_std=spread, temperature=1.0, main_weight=weight) == 3


def test_a_blend_is_not_yet_the_main_phase():
    stage = np.repeat([0.0, 1.0, 2.0], [10, 10, 20])
    assert trace("warmup_share", stage=stage) == 0.5
    assert trace("warmup_share", stage=np.zeros(N)) == 1
    assert trace("warmup_share", stage=np.full(N, 2.0)) == 0
    assert trace("warmup_share", stage=[0.0, 2.0]) is None


def test_rows_of_another_rhythm_keep_their_last_value():
    """The temperature stands in other records than the scores, as Lightning writes them."""
    scores = log(score_std=3.0).series[0]
    at = np.arange(0, N, 4)
    temperature = Series(
        key="t", name="temperature", steps=at * 10.0, values=1.0 + at, order=at, lines=at + 1
    )
    found = measure(Evidence(log=TrainingLog(series=(scores, temperature))))
    twin = [3.0 / (1.0 + 4 * (row // 4)) for row in range(N)]
    assert found.value("trace.share_above_spread") == pytest.approx(sum(x < 1 for x in twin) / N)
    assert found.value("trace.spread_over_temperature") == pytest.approx(np.median(twin[36:]))


# ---------------------------------------------------------------- temperature


def test_share_of_the_main_phase_above_the_spread():
    spread = np.where(np.arange(N) < 13, 0.99, 1.0)
    assert trace("share_above_spread", score_std=spread, temperature=1.0) == 13 / 40


def test_a_constant_temperature():
    assert trace("temperature_constant", temperature=0.5) is True
    assert trace("temperature_constant", temperature=np.linspace(0.5, 0.4, N)) is False
    falls_in_warm_up = np.where(STAGE == 0, 0.7, 0.5)
    assert trace("temperature_constant", temperature=falls_in_warm_up, stage=STAGE) is True
    assert trace("temperature_constant", temperature=[0.5] * 4) is None


@pytest.mark.parametrize(
    ("values", "back"),
    [
        ([1, 0.5, 0.25, 0.1, 0.1], 1),
        ([1, 0.5, 0.1, 0.8, 0.4], 8),
        ([0.1, 0.2, 0.4, 0.8, 0.8], 1),
        ([1, 0.5, 0.5, 0.55, 0.5], 1.1),
    ],
)
def test_a_temperature_set_back(values, back):
    assert trace("temperature_set_back", temperature=values) == pytest.approx(back)


def test_pairs_per_spread_is_pool_times_temperature_over_spread():
    assert trace("pairs_per_spread", score_std=4.0, temperature=0.01, pool_size=1000.0) == pytest.approx(2.5)
    assert trace("pairs_per_spread", score_std=0.0, temperature=0.01, pool_size=1000.0) is None


def test_pauc_compares_with_the_temperature_in_logits():
    found = facts(score_std=4.0, temperature=0.1, tau_eff=2.0, pool_size=100.0)
    assert found.value("trace.spread_over_temperature") == 2
    assert (
        facts(score_std=4.0, temperature=0.1, band_neg_count=9.0).value("trace.spread_over_temperature")
        is None
    )


def test_the_plan_lends_its_temperature():
    plan = TrainingPlan(loss="smooth-ap", temperature=0.5)
    assert facts(plan=plan, score_std=2.0).value("trace.spread_over_temperature") == 4
    scheduled = TrainingPlan(loss="smooth-ap", temperature=0.5, temp_start=1.0)
    assert facts(plan=scheduled, score_std=2.0).value("trace.spread_over_temperature") is None
    pauc = TrainingPlan(loss="pauc-at-budget", temperature=0.5)
    assert facts(plan=pauc, score_std=2.0).value("trace.spread_over_temperature") is None
    logged = facts(plan=plan, score_std=2.0, temperature=0.1)
    assert logged.value("trace.spread_over_temperature") == pytest.approx(20)


# ---------------------------------------------------------------- scores


def test_a_climb_of_all_scores():
    climbs = np.where(STAGE == 0, np.linspace(0, -20, N), np.linspace(-4, 35, N))
    found = facts(score_mean=climbs, score_std=2.0, stage=STAGE)
    first, last = np.median(climbs[10:13]), np.median(climbs[37:])
    assert found.value("trace.score_rise") == pytest.approx(last - first)
    assert found.value("trace.score_rise_spreads") == pytest.approx((last - first) / 2)
    assert found.value("trace.score_rise_steadiness") == 1


def test_a_spread_that_explodes_makes_a_climb_small():
    found = facts(score_mean=np.linspace(0, 30, N), score_std=np.linspace(1, 1000, N), temperature=1.0)
    assert found.value("trace.score_rise_spreads") < 0.2


def test_without_phases_the_climb_starts_at_the_lowest_point():
    bends = np.concatenate([np.linspace(0, -4, 20), np.linspace(-4, 6, 20)])
    assert facts(score_mean=bends, score_std=1.0).value("trace.score_rise") > 8
    assert facts(score_mean=np.linspace(0, -4, N), score_std=1.0).value("trace.score_rise") == 0


@pytest.mark.parametrize(("mean", "spread"), [(-3.0, 0.5), (0.0, 2.0), (-7.0, 1.5), (2.0, 4.0)])
def test_calibration_is_the_mean_of_the_sigmoid_over_normal_logits(mean, spread):
    x = np.linspace(mean - 12 * spread, mean + 12 * spread, 200_001)
    density = np.exp(-(((x - mean) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    share = float(np.sum(density / (1 + np.exp(-x))) * (x[1] - x[0]))
    found = trace("calibration", score_mean=mean, score_std=spread, prevalence=0.1)
    assert found == pytest.approx(share / 0.1, rel=2e-3)


def test_scores_that_are_all_alike():
    assert trace("score_resolution", score_mean=-3.0, score_std=0.0) == 0
    assert trace("score_resolution", score_mean=-3.0, score_std=3e-6) == pytest.approx(1e-6)
    assert trace("score_resolution", score_mean=0.01, score_std=2.0) == 1


def test_growth_and_shift():
    found = facts(score_mean=np.linspace(0, 2, N), score_std=np.linspace(1, 5, N))
    assert found.value("trace.score_std_growth") == pytest.approx(
        np.median(np.linspace(1, 5, N)[36:]) / 1.1538, rel=0.01
    )
    assert found.value("trace.score_shift") == pytest.approx(2 * 36 / 39)


# ---------------------------------------------------------------- loss levels


def test_exact_zeros():
    loss = np.where(np.arange(N) % 4 == 0, 0.0, 0.3)
    assert trace("zero_share", loss=loss) == 0.25
    assert trace("zero_share", loss=loss, train__loss_zero_share=0.6) == pytest.approx(0.6)
    assert trace("zero_share", loss=[0.0] * 4) is None
    late = np.where(np.arange(N) < 20, 0.3, 0.0)
    assert trace("zero_share_first", loss=late) == 0
    assert trace("zero_share", loss=late) == 0.5


def test_the_largest_loss():
    assert trace("loss_largest", loss=np.linspace(0.7, 0, N)) == 0.7
    assert trace("loss_largest", loss=np.where(np.arange(N) == 3, np.inf, 0.2)) == 0.2
    assert trace("loss_largest", loss=np.full(N, np.nan)) is None


@pytest.mark.parametrize(("positives", "size"), [(72, 2176), (200, 2176), (1.2, 96)])
def test_the_chance_level_of_the_pool(positives, size):
    level = 1 - (positives + 1) / (size + 1)
    pool = {"pool_positives": float(positives), "pool_size": float(size)}
    assert trace("chance_share", loss=level, prevalence=0.05, **pool) == 1
    assert trace("chance_share", loss=level - 0.26 * (1 - level), prevalence=0.05, **pool) == 0
    assert trace("chance_share", loss=level - 0.24 * (1 - level), prevalence=0.05, **pool) == 1


def test_the_chance_level_without_a_pool_is_one_minus_the_prevalence():
    half = np.where(np.arange(N) < 20, 0.96, 0.4)
    assert trace("chance_share", loss=half, prevalence=0.04) == 0.5
    assert trace("chance_share", loss=0.76, prevalence=0.24) == 1
    assert trace("chance_share", loss=0.75, prevalence=0.25) is None
    assert trace("chance_share", loss=half) is None


def test_the_excess_is_measured_from_the_lesser_average_precision():
    found = trace("loss_excess", loss=0.8, average_precision=0.5, train__average_precision=0.4)
    assert found == pytest.approx(0.2)
    assert trace("loss_excess", loss=0.8, average_precision=0.5) == pytest.approx(0.3)
    assert trace("loss_excess", loss=0.8) is None


def test_the_excess_above_the_training_rows_needs_their_average_precision():
    found = trace("loss_excess_training", loss=0.8, average_precision=0.4, train__average_precision=0.5)
    assert found == pytest.approx(0.3)
    assert trace("loss_excess_training", loss=0.8, average_precision=0.4) is None


def test_clumping_is_measured_against_chance():
    shuffled = {"positives_in_batch": 2.0, "batch_without_positives_share": math.exp(-2)}
    assert trace("clumping", **shuffled) == pytest.approx(1)
    assert trace("clumping", **shuffled | {"batch_without_positives_share": 0.9}) == pytest.approx(
        0.9 * math.exp(2)
    )
    assert math.isfinite(trace("clumping", positives_in_batch=1e6, batch_without_positives_share=0.5))
    assert trace("clumping", batch_without_positives_share=0.5) is None


def test_the_mean_probability_needs_no_prevalence():
    assert trace("mean_probability", score_mean=0.0, score_std=1.0) == pytest.approx(0.5)
    narrow = trace("mean_probability", score_mean=-2.0, score_std=1e-6)
    assert narrow == pytest.approx(1 / (1 + math.exp(2)))
    assert trace("calibration", score_mean=0.0, score_std=1.0) is None
    assert trace("mean_probability", score_mean=0.0) is None


def test_the_largest_learning_rate():
    rates = np.where(np.arange(N) == 3, 109.0, 0.5)
    assert trace("learning_rate", learning_rate=rates) == 109
    assert trace("learning_rate", loss=1.0) is None


def test_loss_over_the_entropy_of_the_prior():
    prior = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    assert trace("loss_over_prior", loss=2 * prior, prevalence=0.1) == pytest.approx(2)


def test_falls():
    loss = np.linspace(1, 0.5, N)
    found = facts(loss=loss)
    assert found.value("trace.loss_fall_total") == pytest.approx(
        1 - np.median(loss[36:]) / np.median(loss[:4])
    )
    before, after = np.median(loss[8:16]), np.median(loss[32:])
    assert found.value("trace.loss_fall") == pytest.approx((before - after) / before)


# ---------------------------------------------------------------- pool, queue, workers, metric


def test_a_cap_lifts_the_share_of_positives():
    found = facts(pool_positives=70.0, pool_size=256.0, queue_positives=68.0, queue_fill=2048.0)
    assert found.value("trace.pool_share") == pytest.approx(70 / 256)
    assert found.value("trace.cap_enrichment") == pytest.approx((70 / 256) / (68 / 2048))


def test_empty_batches_are_counted_only_where_a_row_is_one_batch():
    counts = np.where(np.arange(N) % 2 == 0, 0.0, 3.0)
    assert trace("empty_batches", positives_in_batch=counts) == 0.5
    assert trace("empty_batches", positives_in_batch=counts / 10) is None
    assert trace(
        "empty_batches", positives_in_batch=counts, batch_without_positives_share=0.7
    ) == pytest.approx(0.7)


def test_a_queue_turns_over():
    queue = np.minimum(np.arange(N) * 640.0, 16384)
    found = facts(queue_fill=queue, pool_size=queue + 32, learning_rate=0.01)
    assert found.value("trace.live_rows") == 32
    assert found.value("trace.queue_turn") == 512
    assert found.value("trace.queue_drift") == pytest.approx(5.12)


def test_a_capped_pool_takes_the_batch_from_hint_or_plan():
    series = {"queue_fill": 2048.0, "pool_size": 256.0}
    assert facts(**series).value("trace.queue_turn") is None
    assert facts(hints={"batch_size": 64.0}, **series).value("trace.queue_turn") == 32
    plan = TrainingPlan(batch_size=128)
    assert facts(plan=plan, **series).value("trace.queue_turn") == 16


def test_a_queue_apart_from_the_batch():
    queue = np.where(np.arange(N) == 12, 7.0, -3.0)
    series = {"score_mean": -4.0, "score_std": 2.0, "queue_score_mean": queue}
    assert trace("queue_shift", **series) == pytest.approx(5.5)
    assert trace("queue_shift", **series, queue_score_std=30.0) == pytest.approx(14)


def test_a_queue_that_is_filled_too_early():
    fill = np.full(N, 2048.0)
    assert trace("queue_before_main", queue_fill=fill, stage=STAGE) is True
    assert trace("queue_before_main", queue_fill=np.where(STAGE == 0, 0, fill), stage=STAGE) is False
    assert trace("queue_before_main", queue_fill=fill) is None


def test_workers():
    found = facts(loss=0.2, rank_loss_std=0.3)
    assert found.value("trace.worker_spread") == pytest.approx(0.3)
    assert found.value("trace.worker_spread_share") == pytest.approx(1.5)


def test_the_metric_and_its_fall():
    curve = np.concatenate([np.linspace(0.1, 0.8, 20), np.linspace(0.8, 0.4, 20)])
    found = facts(average_precision=curve, stage=STAGE)
    assert found.value("trace.metric") == pytest.approx(np.median(curve[36:]))
    assert found.value("trace.metric_drop") == pytest.approx(0.46, abs=0.01)
    assert found.value("trace.metric_at_switch") == pytest.approx(curve[8])
    spike = np.where(np.arange(N) == 20, 1.0, 0.5)
    assert trace("metric_drop", average_precision=spike) == 0


def test_training_rows_ranked_worse():
    assert trace("training_deficit", average_precision=0.9, train__average_precision=0.7) == pytest.approx(
        0.2
    )


def test_threshold_noise():
    wave = np.where(np.arange(N) % 2 == 0, 1.0, -1.0)
    assert trace("threshold_noise", threshold=np.arange(N) * 1.0, score_std=2.0) == 0
    assert trace("threshold_noise", threshold=wave, score_std=2.0) > 0.5


@pytest.mark.parametrize(
    ("given_", "prevalence"),
    [
        ({"prevalence": 0.03}, 0.03),
        ({"hints": {"positives": 5.0, "negatives": 95.0}}, 0.05),
        ({"queue_positives": 20.0, "queue_fill": 200.0}, 0.1),
        ({"positives_in_batch": 2.0, "hints": {"batch_size": 50.0}}, 0.04),
        ({"positives_in_batch": 2.0, "plan": TrainingPlan(batch_size=100)}, 0.02),
        ({"positives_in_batch": 2.0}, None),
        ({}, None),
    ],
)
def test_where_the_prevalence_comes_from(given_, prevalence):
    found = trace("prevalence", loss=1.0, **given_)
    assert found == (None if prevalence is None else pytest.approx(prevalence))


def test_labels_come_before_hints(counts):
    found = facts(labels=counts(98, 2), hints={"positives": 50.0, "negatives": 50.0}, loss=1.0)
    assert found.value("trace.prevalence") == pytest.approx(0.02)


# ---------------------------------------------------------------- over all


def test_no_fact_is_dead():
    everything = dict.fromkeys((n for n in SERIES if n not in {"stage", *VALIDATED}), 1.0)
    everything |= {"prevalence": 0.1, "average_precision": 0.5, "roc_auc": 0.7, "stage": STAGE}
    everything |= {"train__average_precision": 0.4, "pool_size": 300.0, "queue_fill": 200.0}
    known = facts(**everything).known()
    assert [name for name in fact_specs() if name.startswith("trace.") and name not in known] == []


def test_facts_say_where_they_were_seen():
    found = facts(score_std=0.5, temperature=1.0, stage=STAGE)
    spans = found.seen("trace.share_above_spread")
    assert [(s.key, s.first, s.last, s.first_line) for s in spans] == [
        ("score_std", 100, 390, 11),
        ("temperature", 100, 390, 11),
    ]
    assert [s.last for s in found.seen("trace.warmup_share")] == [90]


VALUES = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(SERIES)), VALUES, min_size=1, max_size=12),
    st.booleans(),
)
def test_any_log_is_survived(series, planned):
    plan = TrainingPlan(temperature=0.1, batch_size=32) if planned else None
    family = facts(plan=plan, **series).family("trace")
    for name, value in vars(family).items():
        if name == "seen" or value is None or isinstance(value, bool):
            continue
        assert math.isfinite(value), (name, value)
        assert isinstance(value, int | float), (name, value)
        assert not isinstance(value, np.generic), (name, value)


def test_long_logs_are_quick():
    rng = np.random.default_rng(0)
    names = [n for n in SERIES if n != "stage"]
    long = {n: rng.random(20_000) for n in names} | {"stage": np.repeat([0.0, 2.0], 10_000)}
    made = log(**long)
    evidence = Evidence(log=made)
    measure(Evidence(log=log(loss=1.0))).family("trace")  # imports
    best = math.inf
    for _ in range(3):
        start = time.perf_counter()
        measure(evidence).family("trace")
        best = min(best, time.perf_counter() - start)
    assert best < 0.25  # 0.02 on an idle core


def test_labels_alone_give_no_trace():
    labels = LabelCounts(classes=("0", "1"), counts=np.array([90, 10]), rows=100, positive=1)
    assert measure(Evidence(labels=labels)).family("trace") is None


def test_scores_that_overshoot_at_once():
    overshoot = np.concatenate([[-5.0, -0.2], np.linspace(-0.5, -0.8, N - 2)])
    assert trace("score_mean_early", score_mean=overshoot) == pytest.approx(5 / 0.8, rel=0.05)
    assert trace("score_mean_early", score_mean=np.linspace(0, -1, N)) < 0.1


def test_the_spread_of_the_first_rows():
    assert trace("score_std_first", score_std=np.linspace(1, 40, N)) == 2


@pytest.mark.parametrize(("level", "told"), [(0.9499, False), (0.95, True)])
def test_a_metric_at_its_ceiling(level, told):
    assert trace("at_ceiling", average_precision=level) is told
    assert trace("at_ceiling", roc_auc=0.999) is False


@pytest.mark.parametrize(("share", "told"), [(0.499, True), (0.5, False), (0.97, False)])
def test_a_common_class_has_no_ceiling(share, told):
    assert trace("at_ceiling", average_precision=0.98, prevalence=np.full(N, share)) is told
