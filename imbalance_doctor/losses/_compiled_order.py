"""Values found by what they are or by their place in the order, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import LANES, compiled, equal, first, not_above, not_below, ones

__all__ = [
    "LAST",
    "bracket",
    "has_nan",
    "in_order",
    "keep_between",
    "mix",
    "pick",
    "places_of_ones",
    "put",
    "statistic",
    "statistics",
    "where_between",
]

_TILE = 1024  # labels read at once: they are still in the cache when they are looked at again
_CELLS = 256
_SURE = 2.0  # standard deviations of a sampled rank
LAST = np.uint64(1)  # less by one, a number and itself have the same bits but for the lowest


def _ones_of(labels: np.ndarray, out: np.ndarray) -> int:
    """Write the places of the labels of 1; return how many there are, or -1 where one is neither 0 nor 1."""
    same, count, seen = np.full(LANES, 1, labels.dtype), 0, labels.dtype.type(0)
    for low in range(0, labels.size, _TILE):
        some = labels[low : low + _TILE]
        for j in range(some.size):
            seen |= some[j]
        whole = some.size - some.size % LANES
        for start in range(0, whole, LANES):
            bits = equal(some, start, same, 0)
            while bits:
                out[count] = low + start + first(bits)
                count += 1
                bits &= bits - LAST
        for j in range(whole, some.size):
            if some[j] == 1:
                out[count] = low + j
                count += 1
    return count if seen in {0, 1} else -1


places_of_ones = compiled(_ones_of)


def _keep_between(values: np.ndarray, lows: np.ndarray, highs: np.ndarray, out: np.ndarray) -> Any:
    """Write the values between bounds, and any NaN; return how many are lower, and how many written.

    The bounds are repeated for as many values as are compared at once.
    """
    low, high = lows[0], highs[0]
    below, count, whole = 0, 0, values.size - values.size % LANES
    for start in range(0, whole, LANES):
        bits = not_below(values, start, lows, 0)
        below += LANES - ones(bits)
        bits &= not_above(values, start, highs, 0)
        while bits:
            out[count] = values[start + first(bits)]
            count += 1
            bits &= bits - LAST
    for j in range(whole, values.size):
        if values[j] < low:
            below += 1
        elif not values[j] > high:
            out[count] = values[j]
            count += 1
    return below, count


keep_between = compiled(_keep_between)


def _keep(values: np.ndarray, low: float, high: float, out: np.ndarray) -> Any:
    return keep_between(values, np.full(LANES, low, values.dtype), np.full(LANES, high, values.dtype), out)


def _where_between(values: np.ndarray, low: float, high: float, out: np.ndarray) -> int:
    """Write the places of the values from `low` to `high`, and of any NaN; return how many there are."""
    lows, highs = np.full(LANES, low, values.dtype), np.full(LANES, high, values.dtype)
    count, whole = 0, values.size - values.size % LANES
    for start in range(0, whole, LANES):
        bits = not_below(values, start, lows, 0) & not_above(values, start, highs, 0)
        while bits:
            out[count] = start + first(bits)
            count += 1
            bits &= bits - LAST
    for j in range(whole, values.size):
        if not (values[j] < low or values[j] > high):
            out[count] = j
            count += 1
    return count


def _put(values: np.ndarray, place: np.ndarray, factor: float, out: np.ndarray) -> None:
    """Write a multiple of each value at its place in a single column."""
    for k in range(place.size):
        out[place[k], 0] = values[k] * factor


where_between, put = compiled(_where_between), compiled(_put)


def _any_nan(values: np.ndarray) -> Any:
    odd = np.float32(0)
    for j in range(values.size):
        odd += np.float32(np.isnan(values[j]))
    return odd > 0


keep, has_nan = compiled(_keep), compiled(_any_nan)


def _bracket(sample: np.ndarray, share: float, whole: bool) -> Any:
    """Return the values between which a sorted sample says that the one at a share of the row lies."""
    place, size = share * sample.size, sample.size
    margin = 0.0 if whole else 2 + _SURE * np.sqrt(place * (1 - share))
    low, high = int(max(0, place - margin)), int(place + margin) + 1
    return sample[low], sample[high] if high < size else sample.dtype.type(np.inf)


def _in_order(sample: np.ndarray) -> None:
    """Sort scores, those of single precision by digits: no branch depends on them."""
    if sample.itemsize != 4:  # noqa: PLR2004  bytes
        sample.sort()
        return
    key, count = sample.view(np.uint32), np.zeros((4, 256), np.int32)
    for j in range(key.size):  # ordered as the scores are: negative ones upside down, below the others
        x = key[j]
        x ^= np.uint32(0xFFFFFFFF) if x >> np.uint32(31) else np.uint32(0x80000000)
        key[j] = x
        for d in range(4):
            count[d, (x >> np.uint32(8 * d)) & np.uint32(255)] += 1
    other = np.empty_like(key)
    for d in range(4):
        start = np.int32(0)
        for b in range(256):
            start += count[d, b]
            count[d, b] = start - count[d, b]
        for j in range(key.size):
            digit = np.intp((key[j] >> np.uint32(8 * d)) & np.uint32(255))
            other[count[d, digit]] = key[j]
            count[d, digit] += 1
        key, other = other, key
    for j in range(key.size):
        key[j] ^= np.uint32(0x80000000) if key[j] >> np.uint32(31) else np.uint32(0xFFFFFFFF)


in_order = compiled(_in_order, exact=True)


def _least_and_most(values: np.ndarray) -> Any:
    low, high = values[0], values[0]
    for j in range(values.size):
        low, high = min(low, values[j]), max(high, values[j])
    return low, high


def _cells_of(values: np.ndarray, low: float, per_unit: float, cell: np.ndarray) -> None:
    for j in range(values.size):
        cell[j] = np.int32(min((values[j] - low) * per_unit, values.dtype.type(_CELLS - 1)))


_extremes, _fill_cells = compiled(_least_and_most), compiled(_cells_of)


def _partitioned(values: np.ndarray, lower: int, upper: int) -> Any:
    ordered = np.partition(values, lower)
    return ordered[lower], ordered[upper:].min() if upper > lower else ordered[lower]


_few = compiled(_partitioned, exact=True)


def _two(values: np.ndarray, lower: int, upper: int) -> Any:
    """Return the values at two places of the sorted row, equal or neighbours; none is NaN.

    Counting them in cells leaves few to partition, which would mispredict a branch for every other value.
    """
    low, high = _extremes(values)
    per_unit = values.dtype.type(_CELLS) / (high - low)
    if values.size > _CELLS and 0 < per_unit < np.inf:
        cell, count = np.empty(values.size, np.int32), np.zeros(_CELLS, np.int32)
        _fill_cells(values, low, per_unit, cell)
        for j in range(values.size):
            count[cell[j]] += 1
        c, below = 0, 0
        while below + count[c] <= lower:
            below += count[c]
            c += 1
        if upper < below + count[c] < below + values.size:
            some, kept = np.empty(values.size, values.dtype), 0
            for j in range(values.size):
                some[kept] = values[j]
                kept += cell[j] == c
            return _few(some[:kept], lower - below, upper - below)
    return _few(values, lower, upper)


def _share_of(low: float, high: float, share: Any) -> Any:
    """Interpolate; equal ends are themselves, be they infinite."""
    return low if low == high else low + share * (high - low)


bracket, pick = compiled(_bracket, exact=True), compiled(_two, exact=True)
mix = compiled(_share_of, exact=True)


def _statistic(values: np.ndarray, sample: np.ndarray, lower: int, upper: int, kept: np.ndarray) -> Any:
    """Find the values at two places of the sorted row, equal or neighbours; NaN for a row with a NaN.

    A sample tells between which scores they lie, so that only those between need to be partitioned. Counting
    them proves it; where the sample erred, all are.

    Parameters
    ----------
    values
        [M].
    sample
        Some of the values or all, sorted.
    lower, upper
        The places, from 0.
    kept
        Work space, [M].
    """
    low, high = bracket(sample, lower / values.size, sample.size == values.size)
    below, count = keep(values, low, high, kept)
    if has_nan(kept[:count]):  # no NaN escapes: it is never outside
        return kept.dtype.type(np.nan), kept.dtype.type(np.nan)
    if below <= lower and upper < below + count:
        return pick(kept[:count], lower - below, upper - below)
    return pick(values, lower, upper)


statistic = compiled(_statistic, exact=True)


def _statistics(
    values: np.ndarray, sample: np.ndarray, places: np.ndarray, kept: np.ndarray, out: np.ndarray
) -> None:
    """Find values by their places in the sorted row, one pair after the other.

    Parameters
    ----------
    values, sample, kept
        As for :func:`statistic`.
    places
        From 0, lower and upper of each quantile, equal or neighbours, [L, 2].
    out
        Takes the values, NaN for a row with a NaN, [L, 2].
    """
    for k in range(len(places)):
        out[k, 0], out[k, 1] = statistic(values, sample, places[k, 0], places[k, 1], kept)


statistics = compiled(_statistics, exact=True)
