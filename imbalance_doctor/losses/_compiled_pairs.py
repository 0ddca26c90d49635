"""Smooth-AP in compiled loops: all pairs of a class, and the points of the spline grid.

The formulas are those of `_average_precision`; all sums are in double precision.
"""

from __future__ import annotations

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp

__all__ = ["add_times", "dense", "near", "read", "spread", "terms"]

_REACH = 350.0  # exp(2 * _REACH) is a normal double, and beyond 50 temperatures a sigmoid is 0 or 1
_NEAR = 600.0  # range of the positives in temperatures up to which one exponential per score serves all pairs


def _powers(scores: np.ndarray, low: float, high: float, tau: float, out: np.ndarray) -> None:
    middle, half = low / 4 + high / 4, tau / 2  # by halves no difference overflows
    for j in range(out.size):
        out[j] = exp(min(max((np.float64(scores[j]) / 2 - middle) / half, -_REACH), _REACH))


_fill_powers = compiled(_powers)


def _near_row(power: np.ndarray, mass: np.ndarray, at: float, slope: np.ndarray) -> tuple[float, float]:
    """Sum over the scores the sigmoid of their distance to one, and its slope, which is also written."""
    above = total = 0.0
    if not mass.size:  # decided within the loop it would not always be vectorised
        for j in range(slope.size):
            share = power[j] / (at + power[j])
            slope[j] = share - share * share
            above += share
            total += slope[j]
        return above, total
    for j in range(slope.size):
        share = power[j] / (at + power[j])
        slope[j] = mass[j] * (share - share * share)
        above += mass[j] * share
        total += slope[j]
    return above, total


near = compiled(_near_row)


def _far_row(
    scores: np.ndarray, mass: np.ndarray, at: float, tau: float, slope: np.ndarray
) -> tuple[float, float]:
    """Do the same where the scores spread too far for one exponential each."""
    above = total = 0.0
    for j in range(slope.size):
        z = (at / 2 - np.float64(scores[j]) / 2) / (tau / 2)
        share = 1 / (1 + exp(min(max(z, -2 * _REACH), 2 * _REACH)))
        weight = mass[j] if mass.size else 1.0
        slope[j] = weight * (share - share * share)
        above += weight * share
        total += slope[j]
    return above, total


_far = compiled(_far_row)


def _add(factor: float, values: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] += factor * values[j]


add_times = compiled(_add)


def _dense(
    scores: np.ndarray,
    row: np.ndarray,
    tau: float,
    mass: np.ndarray,
    omega: np.ndarray,
    gradient: np.ndarray,
    room: np.ndarray,
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
        Work space, float64 [3 * (M + N)].
    """
    size, count, live = scores.size, row.size, gradient.size
    power, slope, pull = room[:size], room[size : 2 * size], room[2 * size : 2 * size + live]
    powers, slopes, pulls = room[3 * size : 3 * (size + count)].reshape(3, count)
    at, among = scores[row], mass[row] if mass.size else np.ones(count)
    low, high = np.float64(at.min()), np.float64(at.max())
    close = high / 2 - low / 2 <= tau * (_NEAR / 2)
    if close:
        _fill_powers(scores, low, high, tau, power)
        powers[:] = power[row]
    pull[:] = 0
    pulls[:] = 0
    push = np.empty(count)
    total = omega[row].sum() if omega.size else float(count)
    precision = 0.0
    for k in range(count):
        if close:
            above, steep = near(power, mass, powers[k], slope)
            positive_above, positive_steep = near(powers, among, powers[k], slopes)
        else:
            above, steep = _far(scores, mass, np.float64(at[k]), tau, slope)
            positive_above, positive_steep = _far(at, among, np.float64(at[k]), tau, slopes)
        itself = 1 - among[k] / 2
        above += itself
        ratio = (positive_above + itself) / above
        weight = (omega[row[k]] if omega.size else 1.0) / total if total > 0 else 0.0
        precision += weight * ratio
        u = weight / above
        v = u * ratio
        push[k] = u * positive_steep - v * steep
        add_times(v / tau, slope, pull)
        add_times(v - u, slopes, pulls)
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
