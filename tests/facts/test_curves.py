"""Robust statistics of curves, against plain loops."""

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.evidence import Series
from imbalance_doctor.facts import _curves as curves
from imbalance_doctor.facts.base import Span

numbers = st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=40)
TOO_FEW = np.array([1.0, np.nan, 2.0, 3.0])


def series(values, steps=None, order=None):
    count = len(values)
    return Series(
        key="loss",
        name="loss",
        steps=np.arange(count, dtype=float) if steps is None else np.array(steps, dtype=float),
        values=np.array(values, dtype=float),
        order=np.arange(count) if order is None else np.array(order),
        lines=np.arange(count) + 2,
    )


def test_finite_values_keep_their_order():
    assert curves.finite(np.array([3.0, np.nan, 1.0, np.inf, 2.0, -np.inf])).tolist() == [3, 1, 2]


@given(numbers)
def test_a_short_curve_is_not_reduced(values):
    assert curves.reduced(np.array(values), 40).tolist() == values


@given(st.lists(st.floats(-1e6, 1e6), min_size=41, max_size=300), st.integers(1, 40))
def test_a_long_curve_becomes_medians_of_neighbours(values, points):
    ends = [len(values) * i // points for i in range(points + 1)]
    twin = [statistics.median(values[a:b]) for a, b in pairwise(ends)]
    assert curves.reduced(np.array(values), points) == pytest.approx(twin)


@given(numbers)
def test_the_spread_is_the_median_distance_from_the_median(values):
    middle = statistics.median(values)
    twin = 1.4826 * statistics.median(abs(v - middle) for v in values)
    assert curves.spread(np.array([*values, math.nan])) == pytest.approx(twin)


def test_normal_noise_has_the_spread_and_the_noise_it_was_drawn_with():
    drawn = np.random.default_rng(0).normal(5.0, 2.0, 20_000)
    assert curves.spread(drawn) == pytest.approx(2.0, rel=0.03)
    assert curves.noise(drawn) == pytest.approx(2.0, rel=0.03)
    assert curves.noise(drawn + np.arange(20_000)) == pytest.approx(2.0, rel=0.03)


def test_one_spike_hardly_moves_the_noise():
    drawn = np.random.default_rng(1).normal(0.0, 1.0, 1000)
    spiked = drawn.copy()
    spiked[500] = 1e9
    assert curves.noise(spiked) == pytest.approx(curves.noise(drawn), rel=0.05)


@pytest.mark.parametrize("statistic", [curves.noise, curves.trend])
def test_too_few_finite_values_say_nothing(statistic):
    assert statistic(TOO_FEW) is None
    assert statistic(np.array([1.0, 3.0, 2.0, 4.0])) is not None


def test_no_finite_value_has_no_median():
    assert curves.median(np.array([np.nan])) is None
    assert curves.spread(np.array([1.0])) is None


@given(numbers)
def test_the_trend_counts_pairs_that_rise_and_fall(values):
    pairs = [(a, b) for i, a in enumerate(values) for b in values[i + 1 :]]
    twin = sum((b > a) - (b < a) for a, b in pairs) / len(pairs)
    assert curves.trend(np.array(values)).tau == pytest.approx(twin)


def test_noise_has_no_trend_and_its_z_is_standard():
    random = np.random.default_rng(2)
    zs = [curves.trend(random.normal(size=30)).z for _ in range(800)]
    assert statistics.fmean(zs) == pytest.approx(0, abs=0.1)
    assert statistics.stdev(zs) == pytest.approx(1, abs=0.08)
    tied = [curves.trend(random.integers(0, 3, 30).astype(float)).z for _ in range(800)]
    assert statistics.stdev(tied) == pytest.approx(1, abs=0.08)


def test_a_constant_has_no_trend():
    assert curves.trend(np.ones(10)) == (0.0, 0.0)


def test_a_steady_fall_is_sure():
    fall = curves.trend(-np.arange(20.0))
    assert fall.tau == -1
    assert fall.z < -5


@given(st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=30))
def test_the_slope_is_the_median_of_all_pairs(values):
    steps = [3.0 * i for i in range(len(values))]
    twin = statistics.median(
        (values[j] - values[i]) / (steps[j] - steps[i])
        for i in range(len(values))
        for j in range(i + 1, len(values))
    )
    assert curves.slope(np.array(steps), np.array(values)) == pytest.approx(twin)


def test_the_slope_of_a_long_curve_is_that_of_a_short_one():
    steps = np.arange(20_000.0)
    assert curves.slope(steps, 2 * steps + np.random.default_rng(0).normal(size=20_000)) == pytest.approx(
        2, rel=1e-3
    )


def test_one_place_has_no_slope():
    assert curves.slope(np.ones(3), np.arange(3.0)) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=900), st.integers(1, 40))
def test_medians_of_neighbours_by_a_loop(values, points):
    groups = [values[i * len(values) // points : (i + 1) * len(values) // points] for i in range(points)]
    twin = values if len(values) <= points else [statistics.median(group) for group in groups]
    assert curves.reduced(np.array(values), points).tolist() == pytest.approx(twin)


@given(st.lists(st.integers(-1000, 1000).map(float), min_size=4, max_size=30))
def test_straightness_by_a_loop(values):
    count, fall = len(values) - 1, values[0] - values[-1]
    first = round(count * 2 / 3)
    found = curves.straightness(np.array(values))
    if not fall:
        assert found is None
        return
    steps = [values[i] - values[i + 1] for i in range(count)]
    late = steps[first:]
    assert found == pytest.approx(statistics.fmean(late) / statistics.fmean(steps), abs=1e-9)


def test_straightness_needs_a_third_to_look_at():
    assert curves.straightness(np.array([3.0, 2.0, 1.0])) is None


@given(numbers, st.floats(0, 1e6))
def test_settled_means_near_the_end_from_there_on(values, within):
    end = statistics.median(values[min(round(0.9 * len(values)), len(values) - 1) :])
    at = curves.settled(np.array(values), within)
    assert all(abs(v - end) <= within for v in values[at:])
    assert at == 0 or abs(values[at - 1] - end) > within


def test_a_curve_that_ends_in_nan_settles_nowhere():
    assert curves.settled(np.array([1.0, np.nan]), 1.0) == 2
    assert curves.settled(np.array([np.nan, 1.0, 1.0]), 1.0) == 1


def test_near_counts_what_lies_within():
    values = np.array([1.0, 1.25, 1.5, np.nan])
    assert curves.near(values, 1.0, 0.25) == 0.5
    assert curves.near(values, 1.0, 0.2499) == 0.25
    with pytest.raises(ValueError, match="at least one"):
        curves.near(values[:0], 1.0, 0.1)


def test_spikes_stand_above_both_neighbours():
    values = np.random.default_rng(3).normal(size=200)
    values[[50, 120]] += 30
    assert curves.spikes(values, 10).tolist() == [50, 120]
    values[[51, 121]] = values[[50, 120]]  # a step, or a longer rise, is no spike
    assert not len(curves.spikes(values, 10))


def test_a_spike_beside_nan_keeps_its_place():
    values = np.random.default_rng(4).normal(size=100)
    values[[10, 40]] = np.nan, 50
    assert curves.spikes(values, 10).tolist() == [40]


def test_without_noise_nothing_stands_out():
    assert not len(curves.spikes(np.array([1.0, 1.0, 9.0] + 9 * [1.0]), 3))


def test_a_series_is_read_at_the_records_of_another():
    rare = series([1.0, 2.0, 3.0], order=[10, 20, 30])
    found = curves.beside(rare, np.array([5, 10, 19, 20, 99]))
    assert np.array_equal(found, [np.nan, 1, 1, 2, 3], equal_nan=True)


def test_a_span_tells_steps_and_lines():
    curve = series([1.0, 2.0, 3.0], steps=[10, 20, 30])
    assert curves.span(curve) == Span(key="loss", first=10, last=30, first_line=2, last_line=4)
    assert curves.span(curve, 1, 1) == Span(key="loss", first=20, last=20, first_line=3, last_line=3)


@pytest.mark.parametrize(
    ("start", "stop", "expected"), [(0.0, 1 / 3, [0, 1, 2]), (0.9, 1.0, [8]), (1.0, 1.0, [8])]
)
def test_parts_hold_at_least_one_value(start, stop, expected):
    assert curves.part(np.arange(9.0), start, stop).tolist() == expected


@given(numbers)
def test_roughness_is_the_mean_bend(values):
    bends = [a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    twin = statistics.fmean(map(abs, bends)) * math.sqrt(math.pi / 2) / math.sqrt(6)
    assert curves.roughness(np.array(values)) == pytest.approx(twin, abs=1e-9)


def test_roughness_of_normal_noise_is_its_deviation():
    drawn = np.random.default_rng(5).normal(0, 3, 20_000)
    assert curves.roughness(drawn) == pytest.approx(3, rel=0.03)
    assert curves.roughness(TOO_FEW) is None


@given(st.lists(st.one_of(st.floats(-100, 100), st.just(math.nan)), min_size=1, max_size=60))
def test_a_course_is_the_running_median_of_the_finite_values(values):
    places = [i for i, v in enumerate(values) if math.isfinite(v)]
    found = curves.course(series(values))
    if not places:
        assert found is None
        return
    kept = [values[i] for i in places]
    half = max(1, len(kept) // 20) if len(kept) >= 6 else 0
    middles = range(half, len(kept) - half)
    assert found.level.tolist() == [statistics.median(kept[i - half : i + half + 1]) for i in middles]
    assert found.at.tolist() == [places[i] for i in middles]
    assert found.start == found.level[0]
    assert found.end == found.level[-1]
    assert found.level[found.highest] == max(found.level)
    assert found.level[found.lowest] == min(found.level)
    assert found.after(found.lowest).tolist() == kept[found.lowest + half :]


def test_the_course_of_a_long_series_knows_its_places():
    found = curves.course(series(np.arange(10_000.0)))
    assert len(found.values) == curves.POINTS
    assert found.level == pytest.approx(found.at, abs=1)


@given(st.integers(3, 400), st.lists(st.integers(1, 10**6), min_size=2, max_size=20))
def test_shares_tell_what_they_are_fractions_of(whole, drawn):
    parts = {d % whole for d in drawn} - {0}
    found = curves.denominator(np.array([p / whole for p in parts]))
    if len(parts) < 2:
        assert found is None
        return
    simplest = math.lcm(*(whole // math.gcd(whole, p) for p in parts))
    digits = next((d for d in range(1, 7) if 10**d % simplest == 0), None)
    sure = digits is None or (simplest / 10**digits) ** len(parts) < 1e-3
    assert found == (simplest if sure else None)
    assert curves.denominator(np.array([p / whole for p in parts]), exact=True) == simplest


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 2.0], 0), ([0.5, 1.0], 1), ([0.125, math.nan], 3), ([0.1234567], None), ([0.333333], 6)],
)
def test_decimals(values, expected):
    assert curves.decimals(np.array(values)) == expected


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5])
def test_rounded_shares_tell_nothing(digits):
    assert curves.denominator(np.round(np.sqrt([0.1, 0.2, 0.3, 0.5, 0.7]), digits)) is None


def test_few_positives_are_told_although_their_shares_look_rounded():
    assert curves.denominator(np.array([0.5, 0.625, 0.875])) == 8


def test_shares_of_no_whole_tell_nothing():
    assert curves.denominator(np.sqrt([0.2, 0.3, 0.5])) is None
    assert curves.denominator(np.array([0.0, 1.0, math.nan])) is None
