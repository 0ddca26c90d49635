"""Values found by what they are or by their place in the order, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import LANES, compiled, equal, first, not_above, not_below, ones

__all__ = [
    "LAST",
    "bracket",
    "has_nan",
    "mix",
    "pick",
    "put",
    "statistic",
    "statistics",
    "where",
    "where_between",
]

_SURE = 2.0  # standard deviations of a sampled rank
LAST = np.uint64(1)  # less by one, a number and itself have the same bits but for the lowest


def _where(values: np.ndarray, wanted: int, out: np.ndarray) -> int:
    """Write the places of the values that equal a number; return how many there are."""
    same, count = np.full(LANES, wanted, values.dtype), 0
    whole = values.size - values.size % LANES
    for start in range(0, whole, LANES):
        bits = equal(values, start, same, 0)
        while bits:
            out[count] = start + first(bits)
            count += 1
            bits &= bits - LAST
    for j in range(whole, values.size):
        if values[j] == wanted:
            out[count] = j
            count += 1
    return count


where = compiled(_where)


def _keep(values: np.ndarray, low: float, high: float, out: np.ndarray) -> Any:
    """Write the values from `low` to `high`, and any NaN; return how many are lower, and how many written."""
    lows, highs = np.full(LANES, low, values.dtype), np.full(LANES, high, values.dtype)
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
    """Write a multiple of each value at its place."""
    for k in range(place.size):
        out[place[k]] = values[k] * factor


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


def _two(values: np.ndarray, lower: int, upper: int) -> Any:
    """Return the values at two places of the sorted row, equal or neighbours."""
    ordered = np.partition(values, lower)
    return ordered[lower], ordered[upper:].min() if upper > lower else ordered[lower]


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
