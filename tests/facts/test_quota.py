"""The cap against the reference's real sampler."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from imbalanced_losses._queue import PooledBatch
from imbalanced_losses._sampling import subsample_pool

from imbalance_doctor.facts import _quota as quota
from imbalance_doctor.facts.pool import band_fpr_inflation


def sample(targets, cap, live=None):
    batch = PooledBatch(
        logits=torch.zeros(len(targets), 1),
        targets=targets,
        is_iid=torch.ones(len(targets), dtype=torch.bool),
        sample_weight=None,
    )
    out, kept_live = subsample_pool(batch, cap, is_live=live)
    return out.targets, kept_live


def kept_rows(counts, cap):
    values = np.array(counts, dtype=float)
    return quota.kept(values, cap, np.array(float((values > 0).sum()))).rows


@pytest.mark.parametrize(
    ("counts", "cap"),
    [
        ((7641, 38), 2048),
        ((7641, 38), 100),
        ((600, 200), 256),
        ((5000, 2000, 500, 150, 30), 2048),
        ((300, 40, 3, 2, 1), 64),
        ((20, 20, 20, 20), 3),
        ((20,) * 30, 12),
    ],
)
def test_means_of_the_real_sampler(counts, cap):
    torch.manual_seed(3)
    targets = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    draws = np.array(
        [torch.bincount(sample(targets, cap)[0], minlength=len(counts)).numpy() for _ in range(250)]
    )
    error = draws.std(axis=0) / np.sqrt(len(draws))
    expected = kept_rows(counts, cap)
    assert np.all(np.abs(draws.mean(axis=0) - expected) <= 4.5 * error + 1e-9)


def test_measured_pools():
    """Counts measured on the reference: 15360 rows with 77 positives, and five classes."""
    assert kept_rows((15283, 77), 4096)[1] == 77
    expected = np.array([2159, 1059, 518, 300, 60])
    assert kept_rows((10000, 4000, 1000, 300, 60), 4096) == pytest.approx(expected, abs=6)  # sampling error


@pytest.mark.parametrize(("cap", "share"), [(8192, 0.049), (4096, 0.099), (2048, 0.198), (1024, 0.252)])
def test_measured_prevalence_after_the_cap(cap, share):
    """20000 random rows at 2 % positives; the measured 9.9 and 19.8 % say that 405 of them were positive."""
    assert kept_rows((19595, 405), cap)[1] / cap == pytest.approx(share, abs=0.002)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 10**5), min_size=1, max_size=30), st.integers(1, 10**5))
def test_the_cap_is_filled_and_nothing_invented(counts, cap):
    if sum(counts) <= cap:
        return
    rows = kept_rows(counts, cap)
    assert rows.sum() == pytest.approx(cap)
    assert np.all(rows <= np.array(counts) * (1 + 1e-12))
    assert np.all(rows >= 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 50), st.integers(2, 9))
def test_scales_with_pool_and_cap(counts, cap, factor):
    classes = len(counts)
    cap *= 2 * classes  # so that the quota is a whole number at every scale
    if sum(counts) <= cap:
        return
    scaled = kept_rows([n * factor for n in counts], cap * factor)
    assert scaled == pytest.approx(kept_rows(counts, cap) * factor)


def test_rows_of_a_matrix_are_pools_of_their_own():
    counts = np.array([[900.0, 100.0], [990.0, 10.0]])
    both = quota.kept(counts, 64, np.array([2.0, 2.0])).rows
    assert both[0] == pytest.approx(kept_rows(counts[0], 64))
    assert both[1] == pytest.approx(kept_rows(counts[1], 64))


def test_expected_classes_by_simulation():
    rng = np.random.default_rng(0)
    shares = np.array([0.6, 0.3, 0.07, 0.02, 0.007, 0.002, 0.001])
    seen = [(rng.multinomial(200, shares) > 0).sum() for _ in range(3000)]
    assert float(quota.expected_classes(shares, 200)) == round(np.mean(seen))
    assert float(quota.expected_classes(np.array([1.0, 0.0]), 50)) == 1


def test_all_live_positives_lost_measured():
    """Queue 8192, batch 32, cap 1024, 20 % positives of which 2 are live: 62 % of steps keep none."""
    pooled = 0.2 * 8224
    stay = kept_rows((8224 - pooled, pooled), 1024)[1]
    assert quota.none_kept(pooled, stay, 2) == pytest.approx(0.62, abs=0.005)


@pytest.mark.parametrize(
    ("pooled", "stay", "live"), [(9, 4, 2), (12, 3, 5), (6, 5, 1), (6, 5, 2), (40, 13, 7)]
)
def test_none_kept_is_a_ratio_of_binomials(pooled, stay, live):
    from math import comb

    assert quota.none_kept(pooled, stay, live) == pytest.approx(
        comb(pooled - live, stay) / comb(pooled, stay)
    )


def test_lost_live_positives_of_the_real_sampler():
    """Random batches: only those that hold a positive count."""
    torch.manual_seed(5)
    queue, batch, cap, prevalence = 3000, 32, 256, 0.2
    lost = held = 0
    for _ in range(500):
        targets = (torch.rand(queue + batch) < prevalence).long()
        live = torch.arange(queue + batch) < batch
        if not targets[live].any():
            continue
        held += 1
        kept_targets, kept_live = sample(targets, cap, live)
        lost += not (kept_targets[kept_live] == 1).any()
    total = (queue + batch) * prevalence
    stay = kept_rows((queue + batch - total, total), cap)[1]
    expected = quota.none_kept_of_some(prevalence, batch, stay / total)
    error = np.sqrt(expected * (1 - expected) / held)
    assert abs(lost / held - expected) < 4 * error + 0.01  # 0.01: thinning instead of drawing without return


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-6, 0.9), st.integers(1, 200), st.floats(0, 1))
def test_lost_is_the_mixture_over_live_counts(prevalence, rows, survival):
    from scipy import stats

    live = np.arange(1, rows + 1)
    weights = stats.binom.pmf(live, rows, prevalence)
    slow = (weights * (1 - survival) ** live).sum() / weights.sum()
    assert quota.none_kept_of_some(prevalence, rows, survival) == pytest.approx(slow, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("negatives", "times"), [(50, 3.9), (100, 2.0), (200, 1.0), (1000, 0.96), (1280, 1.07)]
)
def test_band_inflation_measured(negatives, times):
    """beta 0.005; the last two were measured within 0.04 and 0.04 of the formula."""
    assert band_fpr_inflation(negatives, 0.005) == pytest.approx(times, abs=0.06)


@pytest.mark.parametrize(("negatives", "beta"), [(20, 0.1), (61, 0.05), (7, 0.3)])
def test_band_inflation_by_simulation(negatives, beta):
    rng = np.random.default_rng(1)
    scores = np.sort(rng.random((20000, negatives)), axis=1)
    edge = scores[:, int(np.ceil(np.float64(1 - beta) * (negatives - 1) - 1e-12))]
    realised = (1 - edge).mean()
    assert band_fpr_inflation(negatives, beta) == pytest.approx(realised / beta, rel=0.01)
