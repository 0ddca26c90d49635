"""Partial area under the ROC curve of a class alone, compiled: value and gradient in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_alone import fill_rise
from imbalance_doctor.losses._compiled_math import compiled
from imbalance_doctor.losses._compiled_near import near_pairs
from imbalance_doctor.losses._compiled_order import mix, statistic, where, where_between

__all__ = ["pauc"]


def _places_of(level: float, count: int, rule: int) -> Any:
    """Return lower and upper order statistic of a quantile, and the share of the upper; see `_host.RULES`."""
    rank = level * (count - 1)
    low, high = np.floor(rank), np.ceil(rank)
    share = rank - low
    if rule == 1:
        high = low
    elif rule == 2:  # noqa: PLR2004  the places in `_host.RULES`
        low = high
    elif rule == 3:  # noqa: PLR2004
        low = high = np.rint(rank)
    elif rule == 4:  # noqa: PLR2004
        share = 0.5
    return np.int64(low), np.int64(high), share


_rank_of = compiled(_places_of, exact=True)


def _quantiles(
    values: np.ndarray, sample: np.ndarray, levels: np.ndarray, rule: int, missing: int, out: np.ndarray
) -> None:
    """Find quantiles of the values but for the lowest, which are missing."""
    kept = np.empty_like(values)
    for k in range(levels.size):
        lower, upper, share = _rank_of(levels[k], values.size - missing, rule)
        low, high = statistic(values, sample, lower + missing, upper + missing, kept)
        out[k] = mix(low, high, values.dtype.type(share))


_fill_quantiles = compiled(_quantiles, exact=True)


def _mean_of_knots(
    x: np.ndarray, knots: np.ndarray, tau: float, value: np.ndarray, slope: np.ndarray
) -> None:
    """Write the mean sigmoid above the knots by the trapezoid rule, and its derivative."""
    above = np.empty_like(x)
    value[:], slope[:] = 0, 0
    for k in range(knots.size):
        fill_rise(x, knots[k], x.dtype.type(tau), above)
        part = (0.5 if k in {0, knots.size - 1} else 1.0) / (knots.size - 1)
        for i in range(x.size):
            value[i] += part * above[i]
            slope[i] += part / tau * above[i] * (1 - above[i])


_fill_trapezoid = compiled(_mean_of_knots)


def _scale_of(found: np.ndarray, scale: int, least: float) -> Any:
    """Return the spread of the reference scores from the knots and the quartiles behind them."""
    if scale == 0:
        return 1.0
    iqr, band = found[-2] - found[-1], found[0] - found[-3]
    wanted, other = (iqr, band) if scale == 1 else (band, iqr)
    return np.float64(wanted if wanted > least else other)


_spread = compiled(_scale_of, exact=True)


def _gather(
    scores: np.ndarray, weight: np.ndarray, at: np.ndarray, x: np.ndarray, share: np.ndarray
) -> float:
    """Write the scores of the positives and their shares in the mean; return the sum of their weights."""
    for k in range(at.size):
        x[k] = scores[at[k]]
        share[k] = weight[at[k]] if weight.size else 1.0
    mass = np.float64(share.sum())
    share *= share.dtype.type(1 / mass) if mass > 0 else np.nan
    return mass


def _entries(at: np.ndarray, there: np.ndarray, live: int, values: tuple[np.ndarray, ...]) -> Any:
    """Return the live rows with gradient, and the gradient there."""
    share, slope, pull = values
    first, second = np.searchsorted(at, live), np.searchsorted(there, live)
    place, steep = np.empty(first + second, np.int64), np.empty(first + second, share.dtype)
    for k in range(first):
        place[k], steep[k] = at[k], -share[k] * slope[k]
    for k in range(second):
        place[first + k], steep[first + k] = there[k], -pull[k] / there.size
    return place, steep


_fill_positives, _entries_of = compiled(_gather), compiled(_entries)


def _without(scores: np.ndarray, at: np.ndarray) -> Any:
    """Return a copy of the scores in which those of some rows are -inf."""
    left = scores.copy()
    for k in range(at.size):
        left[at[k]] = -np.inf
    return left


_left = compiled(_without)


def _pauc(
    scores: np.ndarray,
    targets: np.ndarray,
    sample: np.ndarray,
    weight: np.ndarray,
    levels: np.ndarray,
    width: tuple[int, int, float, float],
    flags: tuple[bool, bool, bool, bool, bool],
    rest: tuple[int, bool, tuple[int, int, int]],
) -> Any:
    """Compute 1 - pAUC and its gradient.

    Parameters
    ----------
    scores
        [M].
    targets
        1 marks a positive, [M].
    sample
        Some of the reference scores, sorted, those that are left out being -inf.
    weight
        Of each row as a positive, [M], or [0] for 1.
    levels
        Of the knots, from 1 - alpha down to 1 - beta, and of the quartiles where the scale needs them.
    width
        How quantiles are interpolated, by its place in `_host.RULES`; the scale: 0 for none, 1 for the
        interquartile range, 2 for the band; least scale; temperature.
    flags
        Whether the thresholds are those of the negatives; the band is open above; the value is that of the
        pairs; the gradient is; only live positives count.
    rest
        Rows that receive gradient; whether it is wanted; see `near_pairs`.

    Returns
    -------
    tuple
        Whether it could be done; the loss; rows with gradient and the gradient there.
    """
    (rule, scale, least, temperature), (live, wanted, size) = width, rest
    of_negatives, open_above, value_of_pairs, slope_of_pairs, only_live = flags
    nothing = False, 0.0, np.empty(0, np.int64), np.empty(0, scores.dtype)
    at = np.empty(scores.size, np.uint32)  # half the memory of the places that torch needs
    count = where(targets, 1, at)
    at = at[:count]
    missing = count if of_negatives else 0
    if count == scores.size or not np.isfinite(scores.sum()):
        return nothing
    negatives = _left(scores, at)
    found = np.empty(levels.size, scores.dtype)
    _fill_quantiles(negatives if of_negatives else scores, sample, levels, rule, missing, found)
    spread = _spread(found, scale, least)
    knots, tau = found[:-2] if scale else found, temperature * spread
    if only_live:
        at = at[: np.searchsorted(at, live)]
    x, share = np.empty(at.size, scores.dtype), np.empty(at.size, scores.dtype)
    if not (_fill_positives(scores, weight, at, x, share) > 0 and spread > least):
        return nothing
    value, slope = np.empty(at.size), np.empty(at.size)
    if not value_of_pairs:
        _fill_trapezoid(x, knots, tau, value, slope)
    there, pull = np.empty(0, np.uint32), np.empty(0)
    if value_of_pairs or (wanted and slope_of_pairs):
        there = np.empty(scores.size, np.uint32)
        there = there[: where_between(negatives, knots[-1], np.inf if open_above else knots[0], there)]
        y, mean, pull = negatives[there], np.empty(at.size), np.empty(there.size)
        if not there.size or not near_pairs(x, y, share, tau, size, (mean, slope, pull)):
            return nothing
        slope /= there.size
        if value_of_pairs:
            value = mean / there.size
    loss = 1 - (share * value).sum()
    if not wanted:
        return True, loss, nothing[2], nothing[3]
    place, steep = _entries_of(at, there, live, (share, slope, pull))
    return True, loss, place, steep


pauc = compiled(_pauc)
