"""Smooth-AP in compiled loops: all pairs of a class, and the points of the spline grid.

The formulas are those of `_average_precision`; all sums are in double precision.
"""

from __future__ import annotations

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp

__all__ = ["add_both", "dense", "near", "part", "rank", "read", "spread", "terms"]

_REACH = 350.0  # exp(2 * _REACH) is a normal double, and beyond 50 temperatures a sigmoid is 0 or 1
_NEAR = 600.0  # range of the positives in temperatures up to which one exponential per score serves all pairs


def _powers(scores: np.ndarray, low: float, high: float, tau: float, out: np.ndarray) -> None:
    middle, half = low / 4 + high / 4, tau / 2  # by halves no difference overflows
    for j in range(out.size):
        out[j] = exp(min(max((np.float64(scores[j]) / 2 - middle) / half, -_REACH), _REACH))


_fill_powers = compiled(_powers)


def _near_rows(
    power: np.ndarray, mass: np.ndarray, at: float, other: float, slope: np.ndarray, steep: np.ndarray
) -> tuple[float, float, float, float]:
    """Sum the sigmoids of the scores' distances to one, and their slopes, which are also written; of two.

    Two of them share a division, which takes longer than all else.
    """
    above = total = above_other = total_other = 0.0
    if not mass.size:  # decided within the loop it would not always be vectorised
        for j in range(slope.size):
            to, away = at + power[j], other + power[j]
            shared = power[j] / (to * away)
            one, two = shared * away, shared * to
            bend, bend_other = one - one * one, two - two * two
            slope[j], steep[j] = bend, bend_other
            above += one
            total += bend
            above_other += two
            total_other += bend_other
        return above, total, above_other, total_other
    for j in range(slope.size):
        to, away = at + power[j], other + power[j]
        shared = power[j] / (to * away)
        one, two = shared * away, shared * to
        bend, bend_other = mass[j] * (one - one * one), mass[j] * (two - two * two)
        slope[j], steep[j] = bend, bend_other
        above += mass[j] * one
        total += bend
        above_other += mass[j] * two
        total_other += bend_other
    return above, total, above_other, total_other


near = compiled(_near_rows)


def _slice(room: np.ndarray, k: int, size: int) -> np.ndarray:
    """Return a part of a work space; loops over rows of a matrix would not be vectorised."""
    return room[k * size : (k + 1) * size]


part = compiled(_slice)


def _far_row(
    scores: np.ndarray, mass: np.ndarray, at: float, tau: float, slope: np.ndarray
) -> tuple[float, float]:
    """Do the same for one, where the scores spread too far for one exponential each."""
    above = total = 0.0
    for j in range(slope.size):
        z = (at / 2 - np.float64(scores[j]) / 2) / (tau / 2)
        share = 1 / (1 + exp(min(max(z, -2 * _REACH), 2 * _REACH)))
        weight = mass[j] if mass.size else 1.0
        bend = weight * (share - share * share)
        slope[j] = bend
        above += weight * share
        total += bend
    return above, total


_far = compiled(_far_row)


def _add(factor: float, values: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] += factor * values[j]


add_times = compiled(_add)


def _add_both(factor: float, values: np.ndarray, other: float, others: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] += factor * values[j] + other * others[j]


add_both = compiled(_add_both)


def _rank(
    sums: tuple[float, float], among: tuple[float, float], mass: float, weight: float
) -> tuple[float, float, float, float]:
    """Return what a positive adds to average precision, its u and v, and what its own sums pull at it.

    Parameters
    ----------
    sums, among
        Sigmoids and their slopes, over the pool and over the positives.
    mass, weight
        How many rows it stands for, and its share in the mean.
    """
    itself = 1 - mass / 2
    above = sums[0] + itself
    ratio = (among[0] + itself) / above
    u = weight / above
    v = u * ratio
    return weight * ratio, u, v, u * among[1] - v * sums[1]


rank = compiled(_rank)


def _dense(
    scores: np.ndarray,
    row: np.ndarray,
    tau: float,
    mass: np.ndarray,
    omega: np.ndarray,
    gradient: np.ndarray,
    room: np.ndarray,
    slopes: np.ndarray,
) -> tuple[float, float]:
    """Return average precision of a class and the weight of its positives, and write the loss's gradient.

    Parameters
    ----------
    scores
        [M], finite.
    row
        Places of the positives, ascending, [N], N at least 1.
    tau
        Temperature.
    mass, omega
        How many rows each row stands for, and its weight as a positive; float64 [M], or [0] for 1.
    gradient
        Of the first rows, [live].
    room
        Work space, float64 [2 * M + 5 * N].
    slopes
        Work space, of the scores' type, [2 * M].
    """
    size, count, live = scores.size, row.size, gradient.size
    power, pull = room[:size], room[size : size + live]
    rest = room[2 * size :]
    powers, first, second = part(rest, 0, count), part(rest, 1, count), part(rest, 2, count)
    pulls, push = part(rest, 3, count), part(rest, 4, count)
    slope, steep = part(slopes, 0, size), part(slopes, 1, size)
    at, among = scores[row], mass[row] if mass.size else mass
    low, high = np.float64(at.min()), np.float64(at.max())
    close = high / 2 - low / 2 <= tau * (_NEAR / 2)
    if close:
        _fill_powers(scores, low, high, tau, power)
        powers[:] = power[row]
    pull[:] = 0
    pulls[:] = 0
    total = omega[row].sum() if omega.size else float(count)
    precision = 0.0
    for k in range(0, count, 2):
        other = min(k + 1, count - 1)  # an odd one out is its own other, without weight
        if close:
            one, bend, two, bow = near(power, mass, powers[k], powers[other], slope, steep)
            up, rise, top, lift = near(powers, among, powers[k], powers[other], first, second)
        else:
            one, bend = _far(scores, mass, np.float64(at[k]), tau, slope)
            two, bow = _far(scores, mass, np.float64(at[other]), tau, steep)
            up, rise = _far(at, among, np.float64(at[k]), tau, first)
            top, lift = _far(at, among, np.float64(at[other]), tau, second)
        heavy, light = (among[k], among[other]) if mass.size else (1.0, 1.0)
        share = share_other = 1 / total if total > 0 else 0.0
        if omega.size:
            share, share_other = share * omega[row[k]], share * omega[row[other]]
        added, u_other, v_other, push[other] = rank(
            (two, bow), (top, lift), light, share_other if other > k else 0.0
        )
        value, u, v, push[k] = rank((one, bend), (up, rise), heavy, share)
        precision += value + added
        add_both(v / tau, slope, v_other / tau, steep, pull)
        add_both(v - u, first, v_other - u_other, second, pulls)
    gradient[:] = pull
    # At the positives two parts nearly cancel: they are added in double precision.
    for k in range(count):
        if row[k] < live:
            gradient[row[k]] = (push[k] + pulls[k]) / tau
    return precision, total


dense = compiled(_dense)


# -- the grid --------------------------------------------------------------------------------------
#
# Coordinates run downwards from the best score: the mass at smaller ones is the mass ranked above. `order` is
# a tuple as long as the order of the spline, so that the compiler knows how long the inner loops are.


def _shares(offset: float, pieces: np.ndarray, order: tuple[int, ...], share: np.ndarray) -> None:
    """Evaluate the spline of a point at the nodes it touches."""
    lanes = len(order)
    for m in range(lanes):
        value = pieces[m, lanes - 1]
        for k in range(2, lanes + 1):
            value = value * offset + pieces[m, lanes - k]
        share[m] = value


_fill_shares = compiled(_shares)


def _spread_all(
    scores: np.ndarray,
    mass: np.ndarray,
    place: tuple[float, float],
    pieces: np.ndarray,
    order: tuple[int, ...],
    moments: np.ndarray,
    nodes: np.ndarray,
) -> None:
    """Spread points on the grid: few by themselves, many by the moments of their offsets in each cell.

    Parameters
    ----------
    scores, mass
        [M].
    place
        Score of the first node, and nodes per unit of the scores.
    pieces
        Polynomials of the spline, [order, order].
    order
        See above.
    moments
        Work space, [order, length].
    nodes
        Takes the masses, zeros, [length].
    """
    best, per_unit = place
    lanes, margin = len(order), len(order) // 2
    if scores.size * lanes < nodes.size:
        shares = np.empty(lanes)
        for j in range(scores.size):
            position = (best - np.float64(scores[j])) * per_unit
            cell = np.intp(position)
            _fill_shares(position - cell - 0.5, pieces, order, shares)
            for m in range(lanes):
                nodes[cell + 1 + m] += mass[j] * shares[m]
        return
    moments[:] = 0
    for j in range(scores.size):
        position = (best - np.float64(scores[j])) * per_unit
        cell = np.intp(position)
        offset = position - cell - 0.5
        power = mass[j]
        for k in range(lanes):
            moments[k, margin + cell] += power
            power *= offset
    used = nodes.size - 2 * margin
    for m in range(lanes):
        for k in range(lanes):
            add_times(pieces[m, k], moments[k, margin : margin + used], nodes[m + 1 : m + 1 + used])


spread = compiled(_spread_all)


def _terms(  # noqa: PLR0913, PLR0917  compiled functions take no objects
    scores: np.ndarray,
    row: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    place: tuple[float, float],
    pieces: np.ndarray,
    order: tuple[int, ...],
    fields: np.ndarray,
    push: np.ndarray,
    nodes: np.ndarray,
) -> tuple[float, float]:
    """Return average precision and the weight of the positives, from the sums at the nodes.

    The sums of sigmoids come without the steps at the masses, which are added here.

    Parameters
    ----------
    scores, place, pieces, order
        As for :func:`spread`.
    row
        Places of the positives, [N].
    weights
        How many rows each row stands for, and its weight as a positive, [M] each.
    fields
        Sums of sigmoids and of their slopes over the pool and the positives, [2, 2, length].
    push
        Takes what a positive's own sums pull at it, [N].
    nodes
        The masses of the pool and of the positives, [2, length]; takes the forces of the positives' sums over
        the pool and over the positives.
    """
    best, per_unit = place
    mass, omega = weights
    for f in range(2):
        below = 0.0
        for n in range(nodes.shape[1]):
            here = nodes[f, n]
            fields[0, f, n] += below + here / 2
            below += here
    nodes[:] = 0
    lanes = len(order)
    share = np.empty(lanes)
    total = omega[row].sum()
    precision = 0.0
    for i in range(row.size):
        j = row[i]
        position = (best - np.float64(scores[j])) * per_unit
        cell = np.intp(position)
        _fill_shares(position - cell - 0.5, pieces, order, share)
        start = cell + 1
        above = positive_above = 1 - mass[j] / 2
        slope = positive_slope = 0.0
        for m in range(lanes):
            above += share[m] * fields[0, 0, start + m]
            positive_above += share[m] * fields[0, 1, start + m]
            slope += share[m] * fields[1, 0, start + m]
            positive_slope += share[m] * fields[1, 1, start + m]
        ratio = positive_above / above
        weight = omega[j] / total if total > 0 else 0.0
        precision += weight * ratio
        u = weight / above
        v = u * ratio
        push[i] = u * positive_slope - v * slope
        for m in range(lanes):
            nodes[0, start + m] += v * share[m]
            nodes[1, start + m] += u * share[m]
    return precision, total


terms = compiled(_terms)


def _read(  # noqa: PLR0913, PLR0917  compiled functions take no objects
    scores: np.ndarray,
    row: np.ndarray,
    mass: np.ndarray,
    place: tuple[float, float],
    pieces: np.ndarray,
    order: tuple[int, ...],
    fields: np.ndarray,
    tau: float,
    push: np.ndarray,
    table: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Write the gradient.

    Parameters
    ----------
    scores, row, place, pieces, order
        As for :func:`spread` and :func:`terms`.
    mass
        How many rows each row stands for, [M].
    fields
        Of the two forces, [2, length].
    tau
        Temperature.
    push
        What :func:`terms` has found.
    table
        Work space, [order, length].
    gradient
        Of the first rows, [live].
    """
    best, per_unit = place
    lanes, margin = len(order), len(order) // 2
    used = table.shape[1] - 2 * margin
    table[:] = 0
    for k in range(lanes):
        for m in range(lanes):
            add_times(pieces[m, k] / tau, fields[0, m + 1 : m + 1 + used], table[k, margin : margin + used])
    for j in range(gradient.size):
        position = (best - np.float64(scores[j])) * per_unit
        cell = np.intp(position)
        offset = position - cell - 0.5
        value = table[lanes - 1, margin + cell]
        for k in range(2, lanes + 1):
            value = value * offset + table[lanes - k, margin + cell]
        gradient[j] = value * mass[j]
    # At the positives two parts nearly cancel: they are added in double precision.
    share = np.empty(lanes)
    for i in range(row.size):
        j = row[i]
        if j < gradient.size:
            position = (best - np.float64(scores[j])) * per_unit
            cell = np.intp(position)
            _fill_shares(position - cell - 0.5, pieces, order, share)
            pulled = 0.0
            for m in range(lanes):
                pulled += share[m] * (fields[0, cell + 1 + m] - fields[1, cell + 1 + m])
            gradient[j] = (push[i] + pulled * mass[j]) / tau


read = compiled(_read)
