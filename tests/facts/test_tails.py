"""Tail probabilities against enumeration, exact fractions, long sums and scipy."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from imbalance_doctor.facts import _tails as tails

LIMITS = (1, 2, 5, 10, 20)


def exact_below(population, positives, draws, limit):
    ways = sum(
        math.comb(positives, j) * math.comb(population - positives, draws - j)
        for j in range(min(limit, draws + 1))
    )
    return Fraction(ways, math.comb(population, draws))


def close(value, truth, rel=1e-10):
    return value == pytest.approx(float(truth), rel=rel, abs=1e-290)


@pytest.mark.parametrize(("population", "positives", "draws"), [(7, 3, 2), (6, 2, 5), (8, 5, 6), (5, 0, 3)])
def test_every_subset_counted(population, positives, draws):
    subsets = list(combinations(range(population), draws))
    found = [sum(row < positives for row in subset) for subset in subsets]
    limits = (0, 1, 2, 3, 4)
    for limit, value in zip(limits, tails.fewer_drawn(population, positives, draws, limits), strict=True):
        assert value == pytest.approx(sum(n < limit for n in found) / len(subsets), abs=1e-14)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_exact_fractions(data):
    population = data.draw(st.integers(1, 1500))
    positives = data.draw(st.integers(0, population))
    draws = data.draw(st.integers(0, population))
    values = tails.fewer_drawn(population, positives, draws, LIMITS)
    for limit, value in zip(LIMITS, values, strict=True):
        assert close(value, exact_below(population, positives, draws, limit))
    none = exact_below(population, positives, draws, 1)
    assert close(math.exp(tails.log_none_drawn(population, positives, draws)), none)


@pytest.mark.parametrize(
    ("population", "positives", "draws"),
    [
        (10**6, 3000, 4000),
        (10**6, 700, 999_000),
        (10**9, 50, 10**9 - 3000),
        (10**8, 2000, 700_000),
        (2000, 990, 1000),
    ],
)
def test_exact_fractions_of_large_populations(population, positives, draws):
    """The distribution is the same with positives and draws exchanged, which keeps the binomials small."""
    values = tails.fewer_drawn(population, positives, draws, LIMITS)
    whole = math.comb(population, positives)
    for limit in LIMITS:
        ways = [math.comb(draws, j) * math.comb(population - draws, positives - j) for j in range(limit)]
        assert close(values[LIMITS.index(limit)], Fraction(sum(ways), whole))


@pytest.mark.parametrize("population", [3 * 10**5, 10**7, 10**9])
@pytest.mark.parametrize("positives", [1, 40, 3000, 10**5])
@pytest.mark.parametrize("draws", [1, 256, 4097, 10**5])
def test_first_term_of_large_populations(population, positives, draws):
    """The product of all factors in extended precision."""
    few, many = sorted((positives, draws))
    factors = -many / (population - np.arange(few, dtype=np.longdouble))
    truth = float(np.log1p(factors).sum())
    assert tails.log_none_drawn(population, positives, draws) == pytest.approx(truth, rel=1e-12)


@settings(max_examples=150, deadline=None)
@given(st.integers(10**3, 10**9), st.floats(0, 1), st.floats(0, 1))
def test_hypergeometric_agrees_with_scipy(population, share, part):
    positives = max(1, int(population**share) - 1)
    draws = max(1, int(min(population, 10**7) ** part))
    values = tails.fewer_drawn(population, positives, draws, LIMITS)
    for limit, value in zip(LIMITS, values, strict=True):
        oracle = stats.hypergeom.cdf(limit - 1, population, positives, draws)
        # scipy's own log-gammas lose digits in large populations; the first term is checked above
        rel = 1e-10 if population < 10**4 else 3e-6
        assert value == pytest.approx(oracle, rel=rel, abs=1e-250)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.floats(1e-9, 1 - 1e-9))
def test_binomial_agrees_with_scipy(draws, prevalence):
    values = tails.fewer_independent(prevalence, draws, LIMITS)
    for limit, value in zip(LIMITS, values, strict=True):
        oracle = stats.binom.cdf(limit - 1, draws, prevalence)
        # scipy loses digits from about a million draws on (5e-8 at 1e9); the next test goes further
        assert value == pytest.approx(oracle, rel=1e-10 if draws < 10**5 else 1e-7, abs=1e-200)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.floats(0, 100))
def test_binomial_agrees_with_fifty_digits(draws, expected):
    prevalence = min(0.5, expected / max(draws, 1))
    p = Decimal(prevalence)
    with localcontext(prec=50):
        terms = [math.comb(draws, j) * p**j * (1 - p) ** (draws - j) for j in range(1, min(20, draws + 1))]
        terms.insert(0, (1 - p) ** draws)
        truths = [float(sum(terms[:limit])) for limit in LIMITS]
    assert tails.fewer_independent(prevalence, draws, LIMITS) == pytest.approx(truths, rel=1e-11, abs=1e-290)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 50))
def test_large_populations_tend_to_the_binomial(positives, draws):
    population = 10**12
    drawn = tails.fewer_drawn(population, positives, draws, (1, 3))
    assert drawn == pytest.approx(tails.fewer_independent(positives / population, draws, (1, 3)), rel=1e-9)


def test_certain_and_impossible():
    assert tails.fewer_independent(1.0, 4, (4, 5)) == (0.0, 1.0)
    assert tails.fewer_independent(0.0, 4, (1,)) == (1.0,)
    assert tails.fewer_drawn(10, 10, 4, (4, 5)) == (0.0, 1.0)
    assert tails.fewer_drawn(10, 8, 5, (3, 4)) == (0.0, pytest.approx(8 * 7 * 6 / 6 / math.comb(10, 5)))
    assert tails.log_none_drawn(10, 6, 5) == -math.inf
    assert tails.log_none_drawn(10, 0, 5) == 0.0
    assert tails.log_none_binomial(1.0, 3) == -math.inf


@pytest.mark.parametrize("expected", [0.0, 0.3, 1.0, 4.999, 5.0, 5.25, 19.75])
def test_even_counts_average_to_the_expected(expected):
    below = tails.fewer_even(expected, range(1, 25))
    assert sum(1 - value for value in below) == pytest.approx(expected)  # the mean is the sum of upper tails
    assert tails.fewer_even(expected, (math.floor(expected),)) == (0.0,)
    assert tails.fewer_even(expected, (math.floor(expected) + 2,)) == (1.0,)


@settings(max_examples=100, deadline=None)
@given(st.integers(30, 10**6), st.data())
def test_more_draws_never_hold_fewer(population, data):
    positives = data.draw(st.integers(1, population))
    draws = data.draw(st.integers(0, population - 1))
    less = tails.fewer_drawn(population, positives, draws, LIMITS)
    more = tails.fewer_drawn(population, positives, draws + 1, LIMITS)
    assert all(b <= a * (1 + 1e-9) for a, b in zip(less, more, strict=True))
    assert list(less) == sorted(less)
