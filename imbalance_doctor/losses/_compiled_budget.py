"""Partial area under the ROC curve of a class alone, compiled: value and gradient in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_alone import fill_rise
from imbalance_doctor.losses._compiled_math import LANES, compiled
from imbalance_doctor.losses._compiled_near import near_pairs
from imbalance_doctor.losses._compiled_order import (
    bracket,
    in_order,
    keep_between,
    mix,
    pick,
    places_of_ones,
    where_between,
)

__all__ = ["pauc"]

_TILE = 4096  # scores compared with all bounds while they are in the cache
_PART = 16  # of so many scores one is expected between the bounds, or fewer
_FEW = 1024


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


def _copied(scores: np.ndarray, out: np.ndarray) -> Any:
    """Copy scores; return their sum."""
    total = scores.dtype.type(0)
    for j in range(out.size):
        out[j] = scores[j]
        total += scores[j]
    return total


def _without(scores: np.ndarray, at: np.ndarray) -> Any:
    """Return a copy of the scores in which those of some rows are -inf."""
    left = scores.copy()
    for k in range(at.size):
        left[at[k]] = -np.inf
    return left


_copy, _left = compiled(_copied), compiled(_without)


def _quantiles(
    scores: np.ndarray, gone: np.ndarray, sample: np.ndarray, levels: np.ndarray, rule: int, out: np.ndarray
) -> bool:
    """Find quantiles of the scores but for those of some rows; False where a score is not finite.

    The sample, sorted, tells between which bounds they lie. All scores are compared with all bounds in one
    pass; where the bounds erred, or many scores lie between them, a quantile takes a pass of its own.
    """
    size, count = scores.size, levels.size
    place, share = np.empty((count, 2), np.int64), np.empty(count)
    lows, highs = np.empty((count, LANES), scores.dtype), np.empty((count, LANES), scores.dtype)
    for k in range(count):
        lower, upper, share[k] = _rank_of(levels[k], size - gone.size, rule)
        place[k, 0], place[k, 1] = lower + gone.size, upper + gone.size
        lows[k], highs[k] = bracket(sample, place[k, 0] / size, sample.size == size)
    room = size // _PART + _FEW
    kept, found = np.empty((count, room + _TILE), scores.dtype), np.zeros(count, np.int64)
    below = np.zeros(count, np.int64)
    tile, total, passed = np.empty(_TILE, scores.dtype), 0.0, 0
    for start in range(0, size, _TILE):
        some = tile[: min(_TILE, size - start)]
        total += _copy(scores[start:], some)
        while passed < gone.size and gone[passed] < start + some.size:
            some[gone[passed] - start] = -np.inf
            passed += 1
        for k in range(count):
            if found[k] <= room:
                less, more = keep_between(some, lows[k], highs[k], kept[k][found[k] :])
                below[k] += less
                found[k] += more
    if not np.isfinite(total):
        return False
    for k in range(count):
        lower, upper = place[k, 0], place[k, 1]
        if below[k] <= lower and upper < below[k] + found[k] and found[k] <= room:
            low, high = pick(kept[k][: found[k]], lower - below[k], upper - below[k])
        else:
            low, high = pick(_left(scores, gone), lower, upper)
        out[k] = mix(low, high, scores.dtype.type(share[k]))
    return True


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


def _outside(targets: np.ndarray, there: np.ndarray) -> int:
    """Keep the places of rows that are not positive; return how many there are."""
    count = 0
    for k in range(there.size):
        if targets[there[k]] != 1:
            there[count] = there[k]
            count += 1
    return count


def _sampled(scores: np.ndarray, targets: np.ndarray, each: int, of_negatives: bool) -> Any:
    """Return one of so many scores, sorted, those that are left out being -inf."""
    sample = scores[::each].copy()
    for k in range(sample.size if of_negatives else 0):
        if targets[k * each] == 1:
            sample[k] = -np.inf
    in_order(sample)
    return sample


_keep_negatives, _sample_of = compiled(_outside), compiled(_sampled)


def _pauc(
    scores: np.ndarray,
    targets: np.ndarray,
    each: int,
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
        1 marks a positive, 0 the others, [M].
    each
        Of so many scores one tells where the others lie.
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
    count = places_of_ones(targets, at)
    if not 0 < count < scores.size:
        return nothing
    at = at[:count]
    found = np.empty(levels.size, scores.dtype)
    sample = _sample_of(scores, targets, each, of_negatives)
    if not _fill_quantiles(scores, at if of_negatives else at[:0], sample, levels, rule, found):
        return nothing
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
        there = there[: where_between(scores, knots[-1], np.inf if open_above else knots[0], there)]
        there = there[: _keep_negatives(targets, there)]
        y, mean, pull = scores[there], np.empty(at.size), np.empty(there.size)
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
