"""Batches: exact probabilities, samplers, ignored rows and workers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats


def test_plain_shuffling_is_hypergeometric(counts, measured):
    batch = measured(counts(990, 10), batch_size=64, world_size=2).family("batch")
    assert (batch.size, batch.global_size, batch.per_epoch) == (64, 128, 8)
    assert batch.expected_positives == pytest.approx(0.64)
    assert batch.expected_positives_global == pytest.approx(1.28)
    assert batch.no_positive_probability == pytest.approx(math.comb(990, 64) / math.comb(1000, 64))
    assert batch.no_positive_probability_global == pytest.approx(math.comb(990, 128) / math.comb(1000, 128))
    assert batch.gap == pytest.approx(1 / (1 - batch.no_positive_probability))


def test_epoch_by_simulation(counts, measured):
    batch = measured(counts(300, 6), batch_size=50).family("batch")
    rng = np.random.default_rng(0)
    rows = np.r_[np.ones(6), np.zeros(300)]
    empty = [(rng.permutation(rows)[:300].reshape(6, 50).sum(axis=1) == 0).mean() for _ in range(4000)]
    assert batch.no_positive_probability == pytest.approx(np.mean(empty), abs=4 * np.std(empty) / 4000**0.5)


def test_only_a_prevalence_is_binomial(measured):
    batch = measured(prevalence=0.01, batch_size=64).family("batch")
    assert batch.no_positive_probability == pytest.approx(stats.binom.pmf(0, 64, 0.01))
    assert batch.per_epoch is batch.positives_per_epoch is batch.distinct_positives_in_run is None


def test_labels_overrule_the_planned_prevalence(counts, measured):
    assert measured(counts(90, 10), prevalence=0.5).value("batch.prevalence") == 0.1


def test_sampler_overrules_the_labels(counts, measured):
    batch = measured(counts(9900, 100), batch_size=20, sampler="weighted", sampler_prevalence=0.2)
    assert batch.value("batch.prevalence") == 0.2
    assert batch.value("batch.no_positive_probability") == pytest.approx(0.8**20)
    assert batch.value("batch.positives_per_epoch") == 2000
    assert batch.value("batch.distinct_positives_in_run") == 100


def test_weighted_sampler_without_its_prevalence_is_unknown(counts, measured):
    facts = measured(counts(9900, 100), loss="smooth-ap", batch_size=20, sampler="weighted")
    assert facts.value("batch.size") == 20
    for name in (
        "batch.prevalence",
        "batch.no_positive_probability",
        "pool.expected_positives",
        "chance.bce",
    ):
        assert facts.value(name) is None
    assert facts.value("pool.size") == 1044


@pytest.mark.parametrize(("batch_size", "empty"), [(100, 0.5), (199, 0.005), (200, 0), (400, 0)])
def test_stratified_batches_round_up_or_down(counts, measured, batch_size, empty):
    batch = measured(counts(9950, 50), batch_size=batch_size, sampler="stratified", world_size=2)
    assert batch.value("batch.no_positive_probability") == pytest.approx(empty, abs=1e-12)
    assert batch.value("batch.no_positive_probability_global") == pytest.approx(empty**2, abs=1e-12)


def test_rows_of_a_sample_and_ignored_rows(counts, measured):
    labels = counts(700, 50, ignored=250, rows_per_sample=10)
    batch = measured(labels, batch_size=4).family("batch")
    assert batch.size == 30
    assert batch.per_epoch == 25
    assert batch.expected_positives == pytest.approx(40 * 0.05)
    # any 40 of the 1000 rows
    assert batch.no_positive_probability == pytest.approx(math.comb(950, 40) / math.comb(1000, 40))
    assert measured(labels, batch_size=4, rows_per_sample=20).value("batch.size") == 60


def test_batch_of_all_data_holds_all_positives(counts, measured):
    batch = measured(counts(90, 10), batch_size=128).family("batch")
    assert (batch.no_positive_probability, batch.gap, batch.per_epoch) == (0, 1, 1)


def test_class_that_never_appears_has_no_gap(counts, measured):
    for batch_size in (8, 200):
        batch = measured(counts(90, 0), batch_size=batch_size).family("batch")
        assert (batch.no_positive_probability, batch.gap) == (1, None)


def test_neither_labels_nor_plan(measured):
    assert measured().family("batch") is None


def test_unknown_number_of_workers():
    from imbalance_doctor.evidence import TrainingPlan
    from imbalance_doctor.facts.base import Evidence, measure

    batch = measure(Evidence(plan=TrainingPlan(batch_size=8, prevalence=0.1))).family("batch")
    assert batch.size == 8
    assert (
        batch.global_size is batch.expected_positives_global is batch.no_positive_probability_global is None
    )


@given(st.integers(0, 500), st.integers(1, 5000), st.integers(1, 800), st.integers(1, 8))
def test_workers_are_one_large_batch(counts, measured, positives, negatives, size, workers):
    apart = measured(counts(negatives, positives), batch_size=size, world_size=workers).family("batch")
    joined = measured(counts(negatives, positives), batch_size=size * workers).family("batch")
    assert apart.global_size == joined.size
    assert apart.expected_positives_global == pytest.approx(joined.expected_positives)
    assert apart.no_positive_probability_global == pytest.approx(joined.no_positive_probability)
    assert apart.per_epoch == joined.per_epoch


def test_rows_in_the_order_of_a_file_have_averages_but_no_probabilities(counts, measured):
    plan = {"loss": "smooth-ap", "batch_size": 64, "queue_size": 256, "world_size": 2, "max_pool_size": 100}
    drawn = measured(counts(990, 10), sampler="shuffle", **plan)
    ordered = measured(counts(990, 10), sampler="sequential", **plan)
    lost = {name for name in drawn.known() if ordered.value(name) is None}
    assert lost == {
        "batch.no_positive_probability",
        "batch.no_positive_probability_global",
        "batch.gap",
        "pool.no_positive_probability",
        "pool.fewer_than_5",
        "pool.fewer_than_10",
        "pool.fewer_than_20",
    }
    changed = {n for n, v in ordered.known().items() if v != drawn.value(n)}
    assert changed == {"plan.sampler"}
    plan["max_pool_size"] = 6
    for sampler, known in (("shuffle", True), ("sequential", False)):
        lost = measured(counts(990, 10), sampler=sampler, **plan).value("pool.live_positives_lost")
        assert (lost is not None) is known


@pytest.mark.parametrize(("drop", "batches"), [(None, 8), (False, 8), (True, 7)])
def test_the_last_batch_of_an_epoch_may_be_dropped(counts, measured, drop, batches):
    assert (
        measured(counts(990, 10), batch_size=64, world_size=2, drop_last=drop).value("batch.per_epoch")
        == batches
    )
    assert measured(counts(990, 10), batch_size=125, drop_last=drop).value("batch.per_epoch") == 8


def test_workers_that_are_not_known_are_named_as_missing(counts):
    from imbalance_doctor.diagnose import diagnose
    from imbalance_doctor.engine import load_rules
    from imbalance_doctor.evidence import PlannedRun, TrainingPlan

    plan = TrainingPlan(loss="smooth-ap", batch_size=64, queue_size=256, epochs=3, warmup_epochs=1)
    run = PlannedRun(plan=plan, unreadable={"world_size": "it is set at launch"})
    found = diagnose(load_rules().rules.values(), labels=counts(990, 10), runs=[run])
    needed = {"pool-starved-of-positives", "live-positives-rare", "main-phase-that-never-starts"}
    told = {u.rule: u for u in found.unknown}
    for rule in needed:
        assert "plan.world_size" in told[rule].missing, rule
        assert "world_size is set, but it is set at launch" in told[rule].because
