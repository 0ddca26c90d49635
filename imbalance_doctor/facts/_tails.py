"""Lower tails of the hypergeometric and the binomial, from a population of ten to one of a billion.

Only the first few terms of a distribution are ever asked for (fewer than 1, 5, 10, 20 positives), so
the sum starts at the smallest possible count and runs in log space. The one delicate quantity is the
first term: differences of log-gammas lose all digits at 1e9 rows, so they are expanded by Stirling's
series with the large parts cancelled by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

_STIRLING_FROM = 20  # from here the truncated series is exact to 1e-15
_PRODUCT_UP_TO = 1000  # factors that are cheaper to multiply than to worry about
_RESCALE = 1e200


def _correction(x: float) -> float:
    """Return ``log x! - (x + 1/2) log x + x - log(2 pi) / 2`` for large x."""
    inverse = 1.0 / (x * x)
    return (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / x


def _log_rest(part: int, whole: int) -> float:
    """Return ``log(1 - part / whole)``, exact at both ends."""
    return math.log1p(-part / whole) if 2 * part < whole else math.log((whole - part) / whole)


def _log_choose(n: int, k: int) -> float:
    """Return the logarithm of the number of ways to choose k of n."""
    k = min(k, n - k)
    if k <= _PRODUCT_UP_TO:
        return math.fsum(math.log((n - i) / (i + 1)) for i in range(k))
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def log_none_drawn(population: int, positives: int, draws: int) -> float:
    """Log probability that draws without replacement hold no positive; -inf when impossible.

    ``C(N - K, n) / C(N, n)``, to about 1e-13 relative.
    """
    rest = population - positives - draws
    few, many = sorted((positives, draws))
    if few <= 0:
        return 0.0
    if rest < 0:
        return -math.inf
    if rest >= _STIRLING_FROM:
        return (
            (rest + 0.5) * math.log1p(positives / population * (draws / rest))
            + draws * _log_rest(positives, population)
            + positives * _log_rest(draws, population)
            + _correction(population - positives)
            + _correction(population - draws)
            - _correction(population)
            - _correction(rest)
        )
    if few <= _PRODUCT_UP_TO:
        return math.fsum(_log_rest(many, population - i) for i in range(few))
    return _log_choose(many + rest, rest) - _log_choose(population, many)


def log_none_binomial(prevalence: float, draws: int) -> float:
    """Log probability that independent draws hold no positive: ``n log(1 - p)``."""
    if draws == 0 or prevalence <= 0:
        return 0.0
    return draws * math.log1p(-prevalence) if prevalence < 1 else -math.inf


def _cumulate(
    first: int, log_first: float, step: Callable[[int], float], limits: Sequence[int]
) -> tuple[float, ...]:
    """Return ``P(X < limit)`` for each limit.

    Parameters
    ----------
    first, log_first
        Smallest possible count, and the logarithm of its probability.
    step
        ``P(X = j + 1) / P(X = j)``.
    """
    last = max(limits)
    below = {first: 0.0}  # P(X < j) in units of P(X = first), by j
    logs = {first: 0.0}  # the scale those are kept at
    total = 0.0
    term = 1.0
    scale = 0.0
    for count in range(first, last):
        total += term
        term *= step(count)
        if total > _RESCALE or term > _RESCALE:
            total /= _RESCALE
            term /= _RESCALE
            scale += math.log(_RESCALE)
        below[count + 1] = total
        logs[count + 1] = scale
    out = []
    for limit in limits:
        mass = below.get(limit, 0.0)
        out.append(min(1.0, math.exp(min(0.0, log_first + logs[limit] + math.log(mass)))) if mass else 0.0)
    return tuple(out)


def fewer_drawn(population: int, positives: int, draws: int, limits: Sequence[int]) -> tuple[float, ...]:
    """Return ``P(X < limit)`` for each limit, X hypergeometric.

    Parameters
    ----------
    population, positives, draws
        Rows, positives among them, rows drawn without replacement; draws <= population.
    limits
        Counts; 0 and below give 0.
    """
    rest = population - positives - draws
    first = max(0, -rest)
    if first == 0:
        log_first = log_none_drawn(population, positives, draws)
    else:
        log_first = _log_choose(positives, first) - _log_choose(population, draws)

    def step(count: int) -> float:
        return (positives - count) / (count + 1) * ((draws - count) / (rest + count + 1))

    return _cumulate(first, log_first, step, limits)


def fewer_independent(prevalence: float, draws: int, limits: Sequence[int]) -> tuple[float, ...]:
    """Return ``P(X < limit)`` for each limit, X binomial."""
    if prevalence >= 1:
        return tuple(float(draws < limit) for limit in limits)
    odds = prevalence / (1 - prevalence)
    return _cumulate(
        0,
        log_none_binomial(prevalence, draws),
        lambda count: (draws - count) / (count + 1) * odds,
        limits,
    )


def fewer_even(expected: float, limits: Sequence[int]) -> tuple[float, ...]:
    """Return ``P(X < limit)`` for each limit, X one of the two whole numbers around `expected`."""
    floor = math.floor(expected)
    upper = expected - floor
    return tuple((1 - upper) * (floor < limit) + upper * (floor + 1 < limit) for limit in limits)
