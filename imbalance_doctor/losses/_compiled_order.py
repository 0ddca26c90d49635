"""Values found by what they are or by their place in the order, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import LANES, compiled, equal, first, not_above, not_below

__all__ = ["LAST", "bracket", "count_lower", "has_nan", "keep", "mix", "pick", "statistics", "where"]

_SURE = 2.0  # standard deviations of a sampled rank
_BLOCK = 8192  # values counted at once
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


def _keep(values: np.ndarray, low: float, high: float, out: np.ndarray) -> int:
    """Write the values from `low` to `high`, and any NaN; return how many there are."""
    lows, highs = np.full(LANES, low, values.dtype), np.full(LANES, high, values.dtype)
    count, whole = 0, values.size - values.size % LANES
    for start in range(0, whole, LANES):
        bits = not_below(values, start, lows, 0) & not_above(values, start, highs, 0)
        while bits:
            out[count] = values[start + first(bits)]
            count += 1
            bits &= bits - LAST
    for j in range(whole, values.size):
        if not (values[j] < low or values[j] > high):
            out[count] = values[j]
            count += 1
    return count


def _lower(values: np.ndarray, bound: float) -> Any:
    """Count the values below a bound."""
    count = np.int64(0)
    for start in range(0, values.size, _BLOCK):
        some = np.float32(0)  # exact for so few, and added side by side
        for j in range(start, min(start + _BLOCK, values.size)):
            some += np.float32(values[j] < bound)
        count += np.int64(some)
    return count


def _any_nan(values: np.ndarray) -> Any:
    odd = np.float32(0)
    for j in range(values.size):
        odd += np.float32(np.isnan(values[j]))
    return odd > 0


keep, count_lower, has_nan = compiled(_keep), compiled(_lower), compiled(_any_nan)


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


def _statistics(
    values: np.ndarray, sample: np.ndarray, places: np.ndarray, kept: np.ndarray, out: np.ndarray
) -> None:
    """Find values by their places in the sorted row.

    A sample tells between which scores a place lies, so that only those between need to be partitioned.
    Counting them proves it; where the sample erred, all are.

    Parameters
    ----------
    values
        [M].
    sample
        Some of the values or all, sorted.
    places
        From 0, lower and upper of each quantile, equal or neighbours, [L, 2].
    kept
        Work space, [M].
    out
        Takes the values, NaN for a row with a NaN, [L, 2].
    """
    out[:] = np.nan
    for k in range(len(places)):
        low, high = bracket(sample, places[k, 0] / values.size, sample.size == values.size)
        part = kept[: keep(values, low, high, kept)]
        if has_nan(part):  # no NaN escapes: it is never outside
            return
        below = count_lower(values, low)
        least, second = places[k, 0] - below, places[k, 1] - below
        if not 0 <= least <= second < part.size:
            part, least, second = values, places[k, 0], places[k, 1]
        out[k, 0], out[k, 1] = pick(part, least, second)


statistics = compiled(_statistics, exact=True)
