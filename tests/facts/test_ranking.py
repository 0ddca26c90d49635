"""Figures of an order: against scikit-learn and plain loops, at every limit on the rows held."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from imbalance_doctor.facts._ranking import higher, quantiles, rank, sorted_runs

EXTREMES = [0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, 1.0, np.nextafter(1.0, 2.0), -1.0]
VALUES = (
    st.sampled_from(EXTREMES) | st.floats(-3, 3, width=16) | st.floats(allow_nan=False, allow_infinity=False)
)
ROWS = st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=60)


def _chunks(values, positive, size=7):
    def chunks():
        for start in range(0, len(values), size):
            yield values[start : start + size], positive[start : start + size]

    return chunks


def _rank(values, positive, *, limit=10**6, band=(0.0, 0.3), top=None, wanted=(), size=7):
    return rank(
        _chunks(values, positive, size),
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        band=band,
        top=top or max(1, len(values) // 5),
        wanted=wanted,
        limit=limit,
    )


def _arrays(rows):
    return np.array([v for v, _ in rows]), np.array([p for _, p in rows])


def _slow(values, positive, band, top):
    """Count pairs and thresholds one by one."""
    pos, neg = values[positive], values[~positive]
    wins = [[(p > n) + (p == n) / 2 for n in neg] for p in pos]
    auc = float(np.mean(wins))
    by_pos, by_neg = np.mean(wins, axis=1), np.mean(wins, axis=0)
    spread = None
    if len(pos) > 1 and len(neg) > 1:
        spread = math.sqrt(np.var(by_pos, ddof=1) / len(pos) + np.var(by_neg, ddof=1) / len(neg))
    area, last = 0.0, (0.0, 0.0)
    for cut in sorted(set(values.tolist()), reverse=True):
        point = (float(np.mean(neg >= cut)), float(np.mean(pos >= cut)))
        left, right = max(last[0], band[0]), min(point[0], band[1])
        if right > left:
            slope = (point[1] - last[1]) / (point[0] - last[0])
            heights = [last[1] + slope * (x - last[0]) for x in (left, right)]
            area += (right - left) * sum(heights) / 2
        last = point
    found, left = 0.0, top
    for cut in sorted(set(values.tolist()), reverse=True):
        here, hits = int((values == cut).sum()), int((pos == cut).sum())
        taken = min(left, here)
        found += hits * taken / here
        left -= taken
    return auc, spread, area / (band[1] - band[0]), found / len(pos)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sampled_from([1, 3, 20, 10**6]), st.sampled_from([(0.0, 0.3), (0.1, 0.15), (0.0, 1.0)]))
def test_a_sweep_equals_plain_counting(rows, limit, band):
    values, positive = _arrays(rows)
    if positive.all() or not positive.any():
        return
    top = max(1, len(values) // 4)
    got, other = _rank(values, positive, limit=limit, band=band, top=top)
    for side, flags, scores in ((got, positive, values), (other, ~positive, -values)):
        auc, spread, area, found = _slow(scores, flags, band, top)
        assert side.roc_auc == pytest.approx(auc, abs=1e-12)
        assert side.partial_auc == pytest.approx(area, abs=1e-12)
        assert side.recall_at_quantile == pytest.approx(found, abs=1e-12)
        assert side.average_precision == pytest.approx(average_precision_score(flags, scores), abs=1e-12)
        assert side.roc_auc == pytest.approx(roc_auc_score(flags, scores), abs=1e-12)
        if spread is None:
            assert side.roc_auc_low is side.roc_auc_high is None
        elif 0 < auc < 1:
            assert side.roc_auc_low == pytest.approx(max(0, auc - 1.959963984540054 * spread), abs=1e-12)
            assert side.roc_auc_high == pytest.approx(min(1, auc + 1.959963984540054 * spread), abs=1e-12)
        else:
            assert (side.roc_auc_low == 0) is (auc == 0)
            assert (side.roc_auc_high == 1) is (auc == 1)
            assert side.roc_auc_high > side.roc_auc_low


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sampled_from([1, 2, 10, 10**6]))
def test_runs_are_all_rows_in_order(rows, limit):
    values, positive = _arrays(rows)
    runs = list(sorted_runs(_chunks(values, positive), limit=limit))
    joined = np.concatenate([run.values for run in runs])
    assert (np.diff(joined) > 0).all()
    for run in runs:
        assert len(run.values) <= limit
        assert run.below == (values < run.values[0]).sum()
        for value, pos, neg in zip(run.values, run.positives, run.negatives, strict=True):
            assert pos == (values[positive] == value).sum()
            assert neg == (values[~positive] == value).sum()
    assert sum(run.positives.sum() + run.negatives.sum() for run in runs) == len(values)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.sampled_from([1, 5, 10**6]))
def test_quantiles_are_those_of_numpy(numbers, limit):
    values = np.array(numbers)
    shares = (0.0, 0.1, 0.5, 0.99, 1.0)
    got = quantiles(_chunks(values, np.zeros(len(values), dtype=bool)), len(values), shares, limit)
    np.testing.assert_allclose(got, np.quantile(values, shares), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("limit", [2, 10**6])
def test_wanted_ranks_are_read_by_class(limit):
    rng = np.random.default_rng(5)
    values, positive = np.round(rng.normal(size=200), 1), rng.random(200) < 0.3
    wanted = [
        ("all", 0),
        ("all", 199),
        ("positive", 3),
        ("negative", 50),
        ("negative", -1),
        ("positive", 999),
    ]
    got, _ = _rank(values, positive, limit=limit, wanted=wanted)
    assert got.at == {
        ("all", 0): values.min(),
        ("all", 199): values.max(),
        ("positive", 3): np.sort(values[positive])[3],
        ("negative", 50): np.sort(values[~positive])[50],
    }


def test_a_missing_class_leaves_unknowns():
    values = np.array([1.0, 2.0, 2.0])
    got, other = _rank(values, np.zeros(3, dtype=bool))
    assert got.roc_auc is got.average_precision is got.partial_auc is got.recall_at_quantile is None
    assert other.roc_auc is other.partial_auc is None
    assert other.average_precision == 1
    assert got.ties_share == pytest.approx(2 / 3)
    empty, _ = _rank(np.empty(0), np.empty(0, dtype=bool))
    assert empty.ties_share is empty.roc_auc is None


def test_the_band_lies_on_the_curve_of_scikit_learn():
    rng = np.random.default_rng(1)
    positive = rng.random(400) < 0.2
    values = np.round(rng.normal(size=400) + positive, 1)
    fpr, tpr, _ = roc_curve(positive, values, drop_intermediate=False)
    inside = fpr <= 0.25
    x, y = np.append(fpr[inside], 0.25), np.append(tpr[inside], np.interp(0.25, fpr, tpr))
    got, _ = _rank(values, positive, band=(0.0, 0.25), limit=50)
    assert got.partial_auc == pytest.approx(np.trapezoid(y, x) / 0.25, abs=1e-12)


def test_equal_scores_share_the_last_places():
    # one sure row, then four equal ones of which two are positive: two of three places go to them
    values, positive = np.array([9.0, 1, 1, 1, 1]), np.array([True, True, True, False, False])
    got, _ = _rank(values, positive, top=3)
    assert got.recall_at_quantile == pytest.approx((1 + 2 * 2 / 4) / 3)


@pytest.mark.parametrize(
    ("rows", "share", "rank_"), [(10, 0.9, 9), (11, 0.9, 9), (11, 0.91, 10), (1, 0.5, 0), (0, 0.5, -1)]
)
def test_the_higher_of_two_ranks(rows, share, rank_):
    assert higher(rows, share) == rank_


def test_order_of_rows_and_chunks_does_not_matter():
    rng = np.random.default_rng(2)
    values, positive = np.round(rng.normal(size=1000), 2), rng.random(1000) < 0.1
    order = rng.permutation(1000)
    one, _ = _rank(values, positive, limit=64, size=100)
    two, _ = _rank(values[order], positive[order], limit=300, size=13)
    for name in (
        "roc_auc",
        "roc_auc_low",
        "average_precision",
        "partial_auc",
        "recall_at_quantile",
        "ties_share",
    ):
        assert getattr(one, name) == pytest.approx(getattr(two, name), abs=1e-13)
