"""What the labels say, against plain loops."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imbalance_doctor.facts._numbers import wilson

COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=12).filter(any)


def test_binary(counts, measured):
    labels = measured(counts(90, 10)).family("labels")
    assert (labels.task, labels.focus_class, labels.positives, labels.negatives) == ("binary", "1", 10, 90)
    assert labels.prevalence == 0.1
    assert labels.majority_share == 0.9
    assert labels.imbalance_ratio == 9
    assert labels.effective_classes == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)))


def test_positive_class_stays_in_focus_when_it_is_the_larger(counts, measured):
    labels = measured(counts(10, 90)).family("labels")
    assert (labels.positives, labels.prevalence, labels.majority_share) == (90, 0.9, 0.9)


def test_positive_class_without_rows(counts, measured):
    labels = measured(counts(50, 0)).family("labels")
    assert (labels.positives, labels.classes_absent, labels.prevalence) == (0, 1, 0)
    assert labels.imbalance_ratio is None
    assert labels.prevalence_low == 0
    assert labels.prevalence_high > 0.05


def test_rarest_present_class_of_several(counts, measured):
    labels = measured(counts(70, 0, 25, 5)).family("labels")
    assert (labels.task, labels.focus_class, labels.positives) == ("multiclass", "3", 5)
    assert (labels.classes_absent, labels.imbalance_ratio) == (1, 14)
    assert labels.class_prevalence == (0.7, 0, 0.25, 0.05)


def test_single_indicator(counts, measured):
    labels = measured(counts(10, rows=100)).family("labels")
    assert (labels.task, labels.num_classes, labels.positives, labels.negatives) == ("binary", 1, 10, 90)
    assert (labels.imbalance_ratio, labels.majority_share) == (9, 0.9)
    assert labels.effective_classes == measured(counts(90, 10)).value("labels.effective_classes")


def test_several_indicators(counts, measured):
    labels = measured(counts(10, 60, 4, rows=100)).family("labels")
    assert (labels.task, labels.focus_class, labels.prevalence) == ("multilabel", "2", 0.04)
    assert labels.majority_share == 0.96
    assert labels.imbalance_ratio == 24
    assert labels.class_prevalence == (0.1, 0.6, 0.04)


def test_ignored_rows_are_a_share_of_all(counts, measured):
    labels = measured(counts(60, 20, ignored=20)).family("labels")
    assert (labels.rows, labels.ignored_share, labels.prevalence) == (80, 0.2, 0.25)


def test_nothing_labelled(counts, measured):
    labels = measured(counts(0, 0, 0, ignored=5)).family("labels")
    assert (labels.rows, labels.ignored_share, labels.focus_class) == (0, 1.0, None)
    assert labels.prevalence is labels.majority_share is labels.balanced_weights is None


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_wilson_agrees_with_scipy(rows, share):
    count = round(rows * share)
    low, high = wilson(count, rows)
    assert (low, high) == pytest.approx([float(end[0]) for end in wilson(np.array([count]), rows)], rel=1e-15)
    interval = stats.binomtest(count, rows).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert 0 <= low <= count / rows <= high <= 1


def test_wilson_of_no_trials_knows_nothing():
    assert wilson(0, 0) == (0.0, 1.0)
    assert [end.tolist() for end in wilson(np.zeros(2, dtype=int), 0)] == [[0, 0], [1, 1]]


def test_wilson_inverts_the_score_test():
    z = NormalDist().inv_cdf(0.975)
    for p in wilson(7, 300):
        assert abs(7 / 300 - p) == pytest.approx(z * math.sqrt(p * (1 - p) / 300))


@given(COUNTS, st.integers(2, 50))
def test_scale(counts, measured, values, factor):
    small = measured(counts(*values)).family("labels")
    large = measured(counts(*(v * factor for v in values))).family("labels")
    assert small.focus_class == large.focus_class
    assert small.prevalence == pytest.approx(large.prevalence)
    assert small.effective_classes == pytest.approx(large.effective_classes)
    assert small.imbalance_ratio == pytest.approx(large.imbalance_ratio)
    wide = small.prevalence_high - small.prevalence_low
    assert large.prevalence_high - large.prevalence_low < wide or small.prevalence_high == 0


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=9))
def test_shards_add_up(counts, measured, pairs):
    left, right = zip(*pairs, strict=True)
    parts = [measured(counts(*side)).family("labels") for side in (left, right)]
    whole = measured(counts(*(a + b for a, b in pairs))).family("labels")
    assert whole.class_counts == tuple(map(sum, zip(*(p.class_counts for p in parts), strict=True)))
    assert whole.rows == sum(p.rows for p in parts)


@given(st.lists(st.integers(0, 30_000), min_size=2, max_size=5).filter(any))
def test_balanced_weights(counts, measured, values):
    weights = measured(counts(*values)).value("labels.balanced_weights")
    raw = [0 if n == 0 else 1 / np.sum(0.9999 ** np.arange(n)) for n in values]
    mean = math.fsum(raw) / sum(n > 0 for n in values)
    assert weights == pytest.approx([w / mean for w in raw], rel=1e-6)


@given(COUNTS)
def test_effective_classes_are_between_one_and_all(counts, measured, values):
    found = measured(counts(*values)).value("labels.effective_classes")
    assert 1 - 1e-12 <= found <= sum(v > 0 for v in values) + 1e-9


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=5).filter(any))
def test_root_weights(counts, measured, values):
    weights = measured(counts(*values)).value("labels.root_weights")
    present = [(w, n) for w, n in zip(weights, values, strict=True) if n]
    assert [w for w, n in zip(weights, values, strict=True) if not n] == [0] * values.count(0)
    assert math.fsum(w for w, _ in present) / len(present) == pytest.approx(1)
    assert [w * math.sqrt(n) for w, n in present] == pytest.approx(
        [present[0][0] * math.sqrt(present[0][1])] * len(present)
    )


def test_stated_prevalence_gives_shares_but_no_counts(measured):
    labels = measured(prevalence=0.01).family("labels")
    assert (labels.task, labels.prevalence, labels.majority_share) == ("binary", 0.01, 0.99)
    assert labels.imbalance_ratio == pytest.approx(99)
    assert labels.rows is labels.positives is labels.class_counts is None
    assert measured(prevalence=0.9).value("labels.majority_share") == 0.9
    assert measured(prevalence=0.0).value("labels.imbalance_ratio") is None
    assert measured(prevalence=0.1, task="multiclass").family("labels") is None
    assert measured().family("labels") is None
