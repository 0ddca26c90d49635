"""Smooth-AP of many classes in one compiled call: all pairs, or those near each other.

A class that has too many near pairs for that, or odd scores, is left to the caller. The formulas are those of
`_average_precision`; all sums are in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp
from imbalance_doctor.losses._compiled_pairs import add_both, dense, near, part, rank

__all__ = ["columns", "turned_back"]

_LANES = 16
_TILE = 256  # rows turned at once
_NEAR = 600.0  # range in temperatures that one exponential for each score serves
_REACH = 350.0
_APART = 4  # positives share a window that is by this much of the reach on one side wider
_PAIR_NS, _SORT_NS = 0.5, 12.0


def _range(values: np.ndarray, ends: np.ndarray) -> Any:
    """Write the least and the greatest of some values; NaN if one is not finite, else 0."""
    ends[0], ends[1] = values[0], values[0]
    odd = values.dtype.type(0)
    whole = values.size // _LANES * _LANES
    for j in range(0, whole, _LANES):
        for k in range(_LANES):  # side by side, which is faster than one after the other
            x = values[j + k]
            odd += abs(x - x)
            ends[0, k] = min(ends[0, k], x)
            ends[1, k] = max(ends[1, k], x)
    for j in range(whole, values.size):
        x = values[j]
        odd += abs(x - x)
        ends[0, 0] = min(ends[0, 0], x)
        ends[1, 0] = max(ends[1, 0], x)
    return odd


_ends = compiled(_range)


def _cells(values: np.ndarray, high: float, per_unit: float, last: int, cell: np.ndarray) -> None:
    for j in range(values.size):
        cell[j] = np.int32(min((high - np.float64(values[j])) * per_unit, last))


_fill_cells = compiled(_cells)


def _spread(scores: np.ndarray, order: np.ndarray, middle: float, tau: float, power: np.ndarray) -> None:
    for j in range(order.size):  # by itself, or the exponentials would not be vectorised
        power[j] = scores[order[j]]
    for j in range(order.size):
        power[j] = exp(min(max((power[j] - middle) / tau, -_REACH), _REACH))


_fill_powers = compiled(_spread)


def _arrange(
    scores: np.ndarray,
    mask: np.ndarray,
    cells: tuple[float, float, int],
    most: float,
    cell: np.ndarray,
    lists: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """Put scores in order by cells, downwards from the best, unless more than `most` pairs are near.

    Parameters
    ----------
    scores, mask
        [M]; which are positive.
    cells
        Best score, width of a cell, and cells on each side that are near.
    most
        Near pairs.
    cell
        Work space, int32 [M].
    lists
        Take the row at each place, and the places of the positives, int32 [M] and [N]; where each cell begins
        among the places, and among the positives, int32 [cells + 1].
    """
    high, width, reach = cells
    order, at, start, first = lists
    last = start.size - 1
    _fill_cells(scores, high, 1 / width, last - 1, cell)
    start[:] = 0
    first[:] = 0
    for j in range(scores.size):
        start[cell[j]] += 1
        first[cell[j]] += mask[j]
    for c in range(last):
        start[c + 1] += start[c]
        first[c + 1] += first[c]
    pairs = 0
    for c in range(last):
        own = first[c] - (first[c - 1] if c > 0 else 0)
        pairs += own * (start[min(c + reach, last)] - start[max(c - reach, 0)])
    if pairs > most:
        return False
    for j in range(scores.size - 1, -1, -1):
        c = cell[j]
        start[c] -= 1
        order[start[c]] = j
        if mask[j]:
            first[c] -= 1
            at[first[c]] = start[c]
    return True


_in_cells = compiled(_arrange)


def _sums(
    scores: np.ndarray,
    tau: float,
    cells: tuple[float, float, int],
    lists: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    mass: np.ndarray,
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray],
    positives: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    share: np.ndarray,
) -> float:
    """Sum over the near scores of each positive; return average precision.

    Parameters
    ----------
    scores, tau
        [M], and the temperature.
    cells
        Best score, width of a cell, and cells on each side that are near.
    lists
        As :func:`_arrange` left them.
    mass
        Of the scores, in the order of the places, [M], or [0] for 1.
    arrays
        Exponential and pull of the scores, likewise, [M], the latter added to; room for slopes, [2 * M].
    positives
        Of the positives mass, exponential, pull, and push, [N], or [0] for a mass of 1; the pull is added to,
        the push written. Then room for slopes, two of [N].
    share
        Of each positive in the mean, [N].
    """
    high, width, reach = cells
    order, at, start, first = lists
    power, pull, slopes = arrays
    among, powers, pulls, push, room, space = positives
    last = start.size - 1
    together = int(_NEAR * tau / width) - 2 * reach
    precision = over = higher = 0.0  # `over`, `higher`: mass ranked above the window, and of the positives
    passed = beyond = 0
    for low in range(0, last, together):
        end = min(low + together, last)
        if first[low] == first[end]:
            continue
        here = slice(start[max(low - reach, 0)], start[min(end + reach, last)])
        _fill_powers(scores, order[here], high - width * (low + end) / 2, tau, power[here])
        for k in range(first[max(low - reach, 0)], first[min(end + reach, last)]):
            powers[k] = power[at[k]]
        k, c = first[low], low
        while k < first[end]:
            while first[c + 1] <= k:
                c += 1
            # The next one, if it is near, shares the window; without it the first is its own other.
            other, d = k, c
            if k + 1 < first[min(c + 1 + reach // _APART, end)]:
                other = k + 1
                while first[d + 1] <= other:
                    d += 1
            top, bottom = max(c - reach, 0), min(d + reach + 1, last)
            here, there = slice(start[top], start[bottom]), slice(first[top], first[bottom])
            over += mass[passed : start[top]].sum() if mass.size else start[top] - passed
            higher += among[beyond : first[top]].sum() if mass.size else first[top] - beyond
            passed, beyond = start[top], first[top]
            weight = mass[here] if mass.size else mass
            weights = among[there] if mass.size else among
            slope, steep = part(slopes, 0, here.stop - here.start), part(slopes, 1, here.stop - here.start)
            rise, lift = part(room, 0, there.stop - there.start), part(space, 0, there.stop - there.start)
            one, bend, two, bow = near(power[here], weight, powers[k], powers[other], slope, steep)
            up, gain, ascent, growth = near(powers[there], weights, powers[k], powers[other], rise, lift)
            heavy, light = (among[k], among[other]) if mass.size else (1.0, 1.0)
            added, u_other, v_other, push[other] = rank(
                (two + over, bow), (ascent + higher, growth), light, share[other] if other > k else 0.0
            )
            value, u, v, push[k] = rank((one + over, bend), (up + higher, gain), heavy, share[k])
            precision += value + added
            add_both(v / tau, slope, v_other / tau, steep, pull[here])
            add_both(v - u, rise, v_other - u_other, lift, pulls[there])
            k = other + 1
    return precision


_near_sums = compiled(_sums)


def _windows(  # noqa: PLR0913, PLR0917  compiled functions take no objects
    scores: np.ndarray,
    mask: np.ndarray,
    count: int,
    tau: float,
    weights: tuple[np.ndarray, np.ndarray],
    ends: tuple[float, float],
    cut: float,
    most: float,
    room: np.ndarray,
    slopes: np.ndarray,
    places: np.ndarray,
    gradient: np.ndarray,
) -> tuple[float, float]:
    """Return average precision of a class and the weight of its positives, and write the loss's gradient.

    Scores in cells beyond the reach above a positive count as ranked above it, those below do not count.

    Parameters
    ----------
    scores, mask
        [M], finite; which are positive.
    count
        Positives, N.
    tau
        Temperature.
    weights
        How many rows each row stands for, and its weight as a positive; float64 [M], or [0] for 1.
    ends
        Range of the scores.
    cut
        Temperatures beyond which a sigmoid is 0 or 1.
    most
        Near pairs from which it is not done: the weight is NaN then.
    room
        Work space, float64 [2 * M + 6 * N], and M + N more with weights.
    slopes
        Work space, of the scores' type, [2 * M].
    places
        Work space, int32 [4 * M + N + 4].
    gradient
        Of the first rows, [live].
    """
    size, live = scores.size, gradient.size
    low, high = ends
    width = max(tau, (high - low) / size)
    reach, cells = int(cut * tau / width) + 1, int((high - low) * (1 / width)) + 1
    bounds = 2 * size + count
    order, at = places[size : 2 * size], places[2 * size : bounds]
    start, first = places[bounds : bounds + 2 * (cells + 1)].reshape(2, cells + 1)
    lists = (order, at, start, first)
    if _NEAR * tau / width < 2 * reach + 1 or not _in_cells(
        scores, mask, (high, width, reach), most, places[:size], lists
    ):
        return 0.0, np.nan
    power, pull = part(room, 0, size), part(room, 1, size)
    rest = room[2 * size :]
    powers, pulls, push = part(rest, 0, count), part(rest, 1, count), part(rest, 2, count)
    share, rise, lift = part(rest, 3, count), part(rest, 4, count), part(rest, 5, count)
    counts, omega = weights
    mass = among = room[:0]
    if counts.size:
        among, mass = rest[6 * count : 7 * count], rest[7 * count : 7 * count + size]
        for j in range(size):
            mass[j] = counts[order[j]]
        for k in range(count):
            among[k] = mass[at[k]]
    pull[:] = 0.0
    pulls[:] = 0.0
    for k in range(count):
        share[k] = omega[order[at[k]]] if omega.size else 1.0
    total = share.sum()
    share /= total if total > 0 else np.inf
    precision = _near_sums(
        scores,
        tau,
        (high, width, reach),
        lists,
        mass,
        (power, pull, slopes),
        (among, powers, pulls, push, rise, lift),
        share,
    )
    for j in range(size):
        if order[j] < live:
            gradient[order[j]] = pull[j]
    # At the positives two parts nearly cancel: they are added in double precision.
    for k in range(count):
        if order[at[k]] < live:
            gradient[order[at[k]]] = (push[k] + pulls[k]) / tau
    return precision, total


_rank_near = compiled(_windows)


def _turn(matrix: np.ndarray, first: int, out: np.ndarray) -> None:
    """Copy neighbouring columns [M, ...] to rows [columns, M]."""
    for start in range(0, out.shape[1], _TILE):
        for c in range(len(out)):
            for j in range(start, min(start + _TILE, out.shape[1])):
                out[c, j] = matrix[j, first + c]


def _turn_back(rows: np.ndarray, first: int, out: np.ndarray) -> None:
    """Copy rows [columns, M] to neighbouring columns [M, ...]."""
    for start in range(0, len(out), _TILE):
        for j in range(start, min(start + _TILE, len(out))):
            for c in range(len(rows)):
                out[j, first + c] = rows[c, j]


_turned, turned_back = compiled(_turn), compiled(_turn_back)


def _columns(  # noqa: PLR0913, PLR0917  compiled functions take no objects
    scores: np.ndarray,
    mask: np.ndarray,
    tau: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    first: int,
    cost: tuple[float, float, float, float],
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
    room: tuple[np.ndarray, np.ndarray, np.ndarray],
    found: np.ndarray,
) -> None:
    """Rank some neighbouring classes.

    Parameters
    ----------
    scores, mask
        [M, C]; which rows are positive for which class.
    tau
        Temperatures, [C].
    weights
        How many rows each row stands for, and its weight as a positive; float64 [M], or [0] for 1.
    first
        The first of the classes.
    cost
        Temperatures beyond which a sigmoid is 0 or 1; of a class on a grid, nanoseconds in all, for each row
        and for each temperature.
    blocks
        Scores and labels of the classes, [columns, M], which are copied there, but for a single class; takes
        the loss's gradient, [columns, live].
    room
        Work space as for the windows; no places where there are few pairs.
    found
        Takes average precision and weight of the positives, 0 without a positive or a negative, then the
        range of the scores, [4, C]. For a class that is left to the caller the weight is NaN, and the range
        too where that is not finite.
    """
    cut, fixed, per_row, per_tau = cost
    block, flags, gradients = blocks
    work, slopes, places = room
    mass, omega = weights
    size = len(scores)
    if scores.shape[1] > 1:
        _turned(scores, first, block)
        _turned(mask, first, flags)
    ends = np.empty((2, _LANES), scores.dtype)
    for i in range(len(block)):
        c = first + i
        found[:, c] = 0.0
        gradients[i] = 0
        count = 0
        for j in range(size):
            count += flags[i, j]
        if count in {0, size}:
            continue
        found[1:, c] = np.nan
        if not (_ends(block[i], ends) == 0 and tau[c] > 0):
            continue
        low, high = np.float64(ends[0].min()), np.float64(ends[1].max())
        if not np.isfinite(high - low):  # the range of double precision
            continue
        found[2, c], found[3, c] = low, high
        span, pairs = (high - low) / tau[c], np.float64(count) * size
        dear = fixed + per_row * size + per_tau * span
        if not places.size or _PAIR_NS * pairs <= min(dear, _SORT_NS * size):
            row = flags[i].nonzero()[0]
            found[0, c], found[1, c] = dense(block[i], row, tau[c], mass, omega, gradients[i], work, slopes)
        elif _PAIR_NS * pairs * min(1.0, 2 * cut / span) <= dear - _SORT_NS * size:
            most = (dear - _SORT_NS * size) / _PAIR_NS
            found[0, c], found[1, c] = _rank_near(
                block[i],
                flags[i],
                count,
                tau[c],
                weights,
                (low, high),
                cut,
                most,
                work,
                slopes,
                places,
                gradients[i],
            )


columns = compiled(_columns)
