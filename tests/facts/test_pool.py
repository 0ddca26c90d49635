"""Pools: sizes, tails, the cap, and statistics that were measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from imbalance_doctor.facts.pool import ap_spread

RANKED = {"loss": "smooth-ap", "batch_size": 256}


def test_sizes(counts, measured):
    pool = measured(counts(99000, 1000), **RANKED, queue_size=4096, world_size=4).family("pool")
    assert (pool.live_size, pool.size, pool.seen_size, pool.capped) == (1024, 5120, 5120, False)
    assert pool.rotation_steps == 4
    alone = measured(counts(99000, 1000), **RANKED, queue_size=4096, world_size=4, gather_distributed=False)
    assert alone.value("pool.size") == 4352
    assert alone.value("pool.rotation_steps") == 16


def test_ignored_rows_take_places_in_the_queue(counts, measured):
    """90 % padding: 10 rows of a queue of 100 carry a label."""
    pool = measured(counts(90, 10, ignored=900), loss="smooth-ap", batch_size=10, queue_size=100).family(
        "pool"
    )
    assert pool.useful_queue == pytest.approx(10)
    assert (pool.live_size, pool.size) == (1, 11)
    assert pool.rotation_steps == 10
    assert pool.queue_epochs == pytest.approx(0.1)


@pytest.mark.parametrize(("loss", "queue", "there"), [
    ("smooth-ap", None, True), (None, 64, True), (None, None, False), ("sigmoid-focal", 64, False)
])  # fmt: skip
def test_only_for_ranking(counts, measured, loss, queue, there):
    facts = measured(counts(90, 10), loss=loss, queue_size=queue, batch_size=8)
    assert (facts.family("pool") is not None) == there


def test_without_a_batch_size(counts, measured):
    pool = measured(counts(900, 100), loss="smooth-ap", queue_size=500).family("pool")
    assert pool.size is pool.expected_positives is pool.rotation_steps is None
    assert pool.queue_epochs == 0.5


def test_no_queue_never_gets_old(counts, measured):
    pool = measured(counts(900, 100), **RANKED, queue_size=0, learning_rate=1e-3).family("pool")
    assert (pool.rotation_steps, pool.drift, pool.live_positive_share) == (0, 0, 1)


def test_tails_within_the_data(counts, measured):
    pool = measured(counts(5960, 40), **RANKED, queue_size=1024).family("pool")
    for name, limit in (("no_positive_probability", 1), ("fewer_than_5", 5), ("fewer_than_20", 20)):
        truth = stats.hypergeom.cdf(limit - 1, 6000, 40, 1280)
        assert getattr(pool, name) == pytest.approx(truth, rel=1e-8)


def test_tails_of_a_queue_longer_than_the_data(counts, measured):
    pool = measured(counts(990, 4), loss="smooth-ap", batch_size=94, queue_size=2000).family("pool")
    assert pool.uncapped_positives == pytest.approx(2094 * 4 / 994)
    assert (pool.no_positive_probability, pool.fewer_than_5) == (0, 0)  # two passes hold 8
    assert pool.fewer_than_10 == pytest.approx(stats.hypergeom.cdf(1, 994, 4, 2094 - 2 * 994))


def test_tails_of_a_stated_prevalence(measured):
    pool = measured(prevalence=0.01, **RANKED, queue_size=512).family("pool")
    assert pool.fewer_than_10 == pytest.approx(stats.binom.cdf(9, 768, 0.01))


@pytest.mark.parametrize(("queue", "few"), [(644, 1.0), (694, 0.5), (743, 0.01), (744, 0.0)])
def test_tails_under_stratified_batches(measured, queue, few):
    pool = measured(prevalence=0.01, **RANKED, queue_size=queue, sampler="stratified").family("pool")
    assert pool.fewer_than_10 == pytest.approx(few, abs=1e-9)
    assert pool.no_positive_probability == 0


def test_cap_raises_the_prevalence(counts, measured):
    """15360 rows with 77 positives, capped at 4096: all 77 stay."""
    labels = counts(1_528_300, 7_700)
    plan = {"loss": "recall-at-quantile", "batch_size": 360, "queue_size": 15000, "quantile": 0.01}
    pool = measured(labels, **plan, max_pool_size=4096).family("pool")
    assert pool.capped
    assert pool.uncapped_positives == pytest.approx(77, rel=0.01)
    assert pool.expected_positives == pool.uncapped_positives
    assert pool.prevalence == pytest.approx(0.0189, abs=2e-4)
    assert pool.expected_positives + pool.expected_negatives == pytest.approx(4096)
    assert pool.live_positives_lost == 0
    open_pool = measured(labels, **plan).family("pool")
    assert (open_pool.quantile_floor, pool.quantile_floor) == (0, pytest.approx(1 - 0.01 / pool.prevalence))
    # kept whole, so the tails are those of the full pool
    assert pool.fewer_than_20 == open_pool.fewer_than_20
    assert open_pool.quantile_rows == pytest.approx(153.6)
    assert pool.quantile_spread == pytest.approx(1 / math.sqrt(40.96))


@pytest.mark.parametrize("cap", [15359, 15360])
def test_both_sides_of_the_cap(counts, measured, cap):
    labels = counts(9900, 100)
    pool = measured(labels, loss="smooth-ap", batch_size=360, queue_size=15000, max_pool_size=cap).family(
        "pool"
    )
    assert pool.capped == (cap < 15360)
    assert pool.seen_size == cap


def _simulated(shares, size, cap, rounds=400, seed=0):
    """Draw pools and keep rows as the quota sampler does, in plain numpy."""
    rng = np.random.default_rng(seed)
    out = np.zeros((rounds, len(shares)))
    for i in range(rounds):
        pool = rng.multinomial(size, shares)
        quota = max(1, cap // (2 * (pool > 0).sum()))
        reserved = np.minimum(pool, quota)
        if reserved.sum() >= cap:
            out[i] = rng.multivariate_hypergeometric(reserved, cap)
        else:
            out[i] = reserved + rng.multivariate_hypergeometric(pool - reserved, cap - reserved.sum())
    return out


@pytest.mark.parametrize(
    ("values", "cap"),
    [
        ((9900, 100), 512),
        ((8000, 2000), 1024),
        ((6000, 3000, 800, 180, 20), 256),
        ((5000, 3000, 1700, 300), 100),
        (tuple(range(10, 60)), 120),
        (tuple(range(10, 60)), 40),
    ],
)
def test_cap_against_simulated_pools(counts, measured, values, cap):
    plan = {"loss": "smooth-ap", "batch_size": 64, "queue_size": 2000, "max_pool_size": cap}
    scale = 1000  # so that drawing without replacement makes no difference
    facts = measured(counts(*(v * scale for v in values)), **plan)
    pool, focus = facts.family("pool"), int(facts.value("labels.focus_class"))
    kept = _simulated(np.array(values) / sum(values), 2064, cap)
    spread = kept.std(axis=0) / math.sqrt(len(kept))
    assert np.all(
        np.abs(np.array(pool.class_positives) - kept.mean(axis=0)) < 5 * spread + 0.03 * kept.mean(axis=0)
    )
    assert pool.expected_positives == pool.class_positives[focus]
    tails = (
        ("no_positive_probability", 1),
        ("fewer_than_5", 5),
        ("fewer_than_10", 10),
        ("fewer_than_20", 20),
    )
    for name, limit in tails:
        assert getattr(pool, name) == pytest.approx((kept[:, focus] < limit).mean(), abs=0.09), name


def test_lost_live_positives_against_simulation(counts, measured):
    facts = measured(
        counts(800_000, 200_000), loss="smooth-ap", batch_size=16, queue_size=4000, max_pool_size=256
    )
    rng = np.random.default_rng(2)
    lost = held = 0
    for _ in range(3000):
        live, queued = rng.binomial(16, 0.2), rng.binomial(4000, 0.2)
        if live == 0:
            continue
        total = live + queued
        quota = 64
        stay = quota + rng.hypergeometric(total - quota, 4016 - total - quota, 128)
        held += 1
        lost += rng.hypergeometric(live, queued, stay) == 0
    assert facts.value("pool.live_positives_lost") == pytest.approx(lost / held, abs=0.035)


def test_lost_live_positives_under_stratified_batches(counts, measured):
    """2 of 32 live rows, 6 % everywhere: the quota of 25 is all that stays of about 129."""
    plan = {"loss": "smooth-ap", "batch_size": 32, "queue_size": 2032, "max_pool_size": 100}
    pool = measured(counts(937_500, 62_500), **plan, sampler="stratified").family("pool")
    stay = pool.expected_positives / pool.uncapped_positives
    assert pool.live_positives == pytest.approx(2)
    assert pool.live_positives_lost == pytest.approx((1 - stay) ** 2, rel=0.02)


def test_indicators_are_one_loss_per_column(counts, measured):
    plan = {"loss": "smooth-ap", "batch_size": 64, "queue_size": 4032, "max_pool_size": 512}
    pool = measured(counts(400, 50, 9, rows=10_000), **plan).family("pool")
    alone = [measured(counts(n, rows=10_000), **plan).family("pool") for n in (400, 50, 9)]
    assert pool.class_positives == pytest.approx([a.expected_positives for a in alone])
    assert pool.expected_positives == pytest.approx(alone[2].expected_positives)
    assert alone[0].class_positives == (alone[0].expected_positives,)


def test_other_classes_share_what_the_sampler_leaves(counts, measured):
    plan = {**RANKED, "queue_size": 0, "sampler": "weighted", "sampler_prevalence": 0.5}
    pool = measured(counts(600, 300, 100), **plan).family("pool")
    assert pool.class_positives == pytest.approx((256 / 3, 128 / 3, 128))
    unknown = measured(counts(60, 30, 10, rows=100), **plan).family("pool")
    assert unknown.expected_positives == 128
    assert unknown.class_positives is None


def test_band(counts, measured):
    plan = {"loss": "pauc-at-budget", "batch_size": 200, "queue_size": 1800, "beta": 0.01}
    pool = measured(counts(9900, 100), **plan).family("pool")
    assert pool.band_rows == pool.band_width_rows == pytest.approx(19.8)
    assert pool.band_low_rows is None
    edged = measured(counts(9900, 100), **plan, alpha=0.002).family("pool")
    assert edged.band_low_rows == pytest.approx(3.96)
    assert edged.band_width_rows == pytest.approx(15.84)
    weighted = measured(counts(9900, 100), **plan, alpha=0.25).family("pool")
    assert weighted.band_low_rows is weighted.band_width_rows is None


def test_cap_takes_negatives_from_the_band(counts, measured):
    plan = {"loss": "pauc-at-budget", "batch_size": 200, "queue_size": 1800, "beta": 0.01}
    pool = measured(counts(9900, 100), **plan, max_pool_size=500).family("pool")
    assert pool.band_rows == pytest.approx((500 - pool.expected_positives) * 0.01)


MEASURED_SPREAD = [
    (0.05, ((5, 0.46), (10, 0.35), (20, 0.29), (50, 0.20))),
    (0.01, ((5, 0.77), (10, 0.56), (20, 0.47), (50, 0.34))),
    (0.002, ((5, 1.26), (10, 1.03), (20, 0.67), (50, 0.47))),
    (0.01, ((1, 1.14), (2, 1.02), (5, 0.76), (10, 0.48), (20, 0.40), (50, 0.29), (100, 0.21))),
]
SPREADS = [(p, n, cv) for p, row in MEASURED_SPREAD for n, cv in row]


@pytest.mark.parametrize(("prevalence", "positives", "measured_cv"), SPREADS)
def test_ap_spread_meets_the_measured_tables(prevalence, positives, measured_cv):
    assert ap_spread(positives, prevalence) == pytest.approx(measured_cv, rel=0.23)


def test_ap_spread_is_fitted_not_biased():
    errors = [math.log(ap_spread(n, p) / cv) for p, n, cv in SPREADS]
    assert abs(np.mean(errors)) < 0.01
    assert sum(abs(math.expm1(e)) < 0.18 for e in errors) >= 18


def test_ap_spread_by_simulation():
    """Binormal scores, 1 % positives, 20 of them: the order of the measured figure."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        scores = np.r_[rng.normal(1.5, 1, 20), rng.normal(0, 1, 1980)]
        ranks = np.flatnonzero(np.argsort(-scores) < 20) + 1
        values.append(np.mean(np.arange(1, 21) / ranks))
    assert ap_spread(20, 0.01) == pytest.approx(np.std(values) / np.mean(values), rel=0.35)


@given(st.floats(1e-6, 1), st.floats(0.01, 1e5))
def test_ap_spread_falls_with_positives(prevalence, positives):
    assert ap_spread(positives * 2, prevalence) < ap_spread(positives, prevalence)
    assert ap_spread(positives, 0.002) >= ap_spread(positives, prevalence) >= ap_spread(positives, 0.05)


def test_staleness(counts, measured):
    """Learning rate 1e-2 and a queue of 64 batches: past the 0.25 at which gradients went wrong."""
    pool = measured(counts(900, 100), loss="smooth-ap", batch_size=32, queue_size=2048, learning_rate=1e-2)
    assert pool.value("pool.rotation_steps") == 64
    assert pool.value("pool.drift") == pytest.approx(0.64)


def test_pairs_per_spread_measured(counts, measured):
    """Score spread 2.5, 1280 rows: 26 at temperature 0.05, 5 at 0.01, 2.6 at 0.005."""
    for temperature, pairs in ((0.05, 26), (0.01, 5), (0.005, 2.6)):
        facts = measured(counts(900, 100), **RANKED, temperature=temperature, score_std=2.5)
        assert facts.value("pool.pairs_per_spread") == pytest.approx(pairs, rel=0.03)


def test_pairs_follow_the_schedule_and_the_scale(counts, measured):
    facts = measured(counts(900, 100), **RANKED, warmup_steps=0, temp_start=0.5, temp_end=0.05, score_std=2.5)
    assert facts.value("pool.pairs_per_spread") == pytest.approx(25.6)
    relative = measured(counts(900, 100), loss="pauc-at-budget", batch_size=256, score_std=2.5)
    assert relative.value("pool.pairs_per_spread") is None


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(1, 4096),
    st.integers(0, 10**5),
    st.integers(1, 10**5),
)
def test_parts_of_a_pool_fit(counts, measured, negatives, positives, batch, queue, cap):
    facts = measured(
        counts(negatives, positives), loss="smooth-ap", batch_size=batch, queue_size=queue, max_pool_size=cap
    )
    pool = facts.family("pool")
    assert pool.seen_size == min(cap, batch + queue) == min(cap, pool.size)
    assert pool.expected_positives + pool.expected_negatives == pytest.approx(pool.seen_size)
    assert pool.expected_positives <= pool.uncapped_positives * (1 + 1e-9)
    assert sum(pool.class_positives) == pytest.approx(pool.seen_size)
    assert (
        0
        <= pool.no_positive_probability
        <= pool.fewer_than_5
        <= pool.fewer_than_10
        <= pool.fewer_than_20
        <= 1
    )
    assert 0 <= pool.live_positives_lost <= 1
    smaller = min(positives, negatives)
    if smaller == positives:
        assert pool.prevalence >= positives / (positives + negatives) * (1 - 1e-9)


def test_absurd_number_of_classes(measured):
    pool = measured(prevalence=0.1, **RANKED, num_classes=2**62, max_pool_size=64).family("pool")
    assert 0 < pool.expected_positives <= 64


def test_other_classes_of_a_stated_prevalence_are_equal(counts, measured):
    plan = {**RANKED, "queue_size": 4000, "max_pool_size": 1000}
    stated = measured(prevalence=0.1, num_classes=4, **plan).family("pool")
    given_labels = measured(counts(3000, 3001, 2999, 1000), **plan).family("pool")
    assert stated.expected_positives == pytest.approx(given_labels.expected_positives, rel=1e-3)
