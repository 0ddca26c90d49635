"""Smooth-AP in compiled loops: all pairs of a class, and the points of the spline grid.

The formulas are those of `_average_precision`; all sums are in double precision.
"""

from __future__ import annotations

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp

__all__ = ["add_both", "dense", "near", "part", "rank", "read", "spread", "terms"]

_REACH = 350.0  # exp(2 * _REACH) is a normal double, and beyond 50 temperatures a sigmoid is 0 or 1
_TILE = 256  # points placed on the grid at once
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


def _polynomial(offset: np.ndarray, factors: np.ndarray, order: tuple[int, ...], out: np.ndarray) -> None:
    for j in range(out.size):
        value = factors[len(order) - 1]
        for k in range(2, len(order) + 1):
            value = value * offset[j] + factors[len(order) - k]
        out[j] = value


_fill = compiled(_polynomial)


def _place_on(
    scores: np.ndarray,
    place: tuple[float, float],
    pieces: np.ndarray,
    order: tuple[int, ...],
    cell: np.ndarray,
    share: np.ndarray,
) -> None:
    """Write the first node that each point touches, and the shares of all, node after node.

    Parameters
    ----------
    scores
        Up to TILE.
    place
        Score of the first node, and nodes per unit of the scores.
    pieces
        Polynomials of the spline, [order, order].
    order
        See above.
    cell, share
        Results, [TILE] and float64 [(order + 1) * TILE], where the last ones are offsets. Nodes are unsigned,
        so that no index is looked at for its sign.
    """
    best, per_unit = place
    size = scores.size
    offset = part(share, len(order), _TILE)
    for j in range(size):
        position = (best - np.float64(scores[j])) * per_unit
        whole = np.int32(position)
        cell[j] = np.uintp(whole + 1)
        offset[j] = position - whole - 0.5
    for m in range(len(order)):
        _fill(offset[:size], pieces[m], order, part(share, m, _TILE)[:size])


_place = compiled(_place_on)


def _spread_all(
    scores: np.ndarray,
    mass: np.ndarray,
    place: tuple[float, float],
    pieces: np.ndarray,
    order: tuple[int, ...],
    nodes: np.ndarray,
) -> None:
    """Spread points on the grid.

    Parameters
    ----------
    scores
        [M].
    mass
        How many rows each row stands for, [M], or [0] for 1.
    place, pieces, order
        As for :func:`_place_on`.
    nodes
        The masses are added to it, [length].
    """
    cell, share = np.empty(_TILE, np.uintp), np.empty((len(order) + 1) * _TILE)
    for low in range(0, scores.size, _TILE):
        some = scores[low : low + _TILE]
        _place(some, place, pieces, order, cell, share)
        for j in range(some.size):
            weight = mass[low + j] if mass.size else 1.0
            for m in range(len(order)):
                nodes[cell[j] + np.uintp(m)] += weight * share[m * _TILE + j]


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
    scores
        Of the positives, [N].
    row
        Their places in the pool, [N].
    weights
        How many rows each row stands for, and its weight as a positive, [M] each, or [0] for 1.
    place, pieces, order
        As for :func:`_place_on`.
    fields
        Sums of sigmoids and of their slopes over the pool and the positives, [2, 2, length].
    push
        Takes what a positive's own sums pull at it, [N].
    nodes
        The masses of the pool and of the positives, [2, length]; takes the forces of the positives' sums over
        the pool and over the positives.
    """
    mass, omega = weights
    below = beneath = 0.0
    for n in range(nodes.shape[1]):
        fields[0, 0, n] += below + nodes[0, n] / 2
        fields[0, 1, n] += beneath + nodes[1, n] / 2
        below += nodes[0, n]
        beneath += nodes[1, n]
    nodes[:] = 0
    total = omega[row].sum() if omega.size else float(row.size)
    precision = 0.0
    cell, share = np.empty(_TILE, np.uintp), np.empty((len(order) + 1) * _TILE)
    for low in range(0, row.size, _TILE):
        some = scores[low : low + _TILE]
        _place(some, place, pieces, order, cell, share)
        for j in range(some.size):
            i, start = low + j, cell[j]
            above = positive_above = slope = positive_slope = 0.0
            for m in range(len(order)):
                near = share[m * _TILE + j]
                above += near * fields[0, 0, start + np.uintp(m)]
                positive_above += near * fields[0, 1, start + np.uintp(m)]
                slope += near * fields[1, 0, start + np.uintp(m)]
                positive_slope += near * fields[1, 1, start + np.uintp(m)]
            weight = (omega[row[i]] if omega.size else 1.0) / total if total > 0 else 0.0
            value, u, v, push[i] = rank(
                (above, slope), (positive_above, positive_slope), mass[row[i]] if mass.size else 1.0, weight
            )
            precision += value
            for m in range(len(order)):
                near = share[m * _TILE + j]
                nodes[0, start + np.uintp(m)] += v * near
                nodes[1, start + np.uintp(m)] += u * near
    return precision, total


terms = compiled(_terms)


def _read(  # noqa: PLR0913, PLR0917  compiled functions take no objects
    scores: np.ndarray,
    positives: np.ndarray,
    row: np.ndarray,
    mass: np.ndarray,
    place: tuple[float, float],
    pieces: np.ndarray,
    order: tuple[int, ...],
    fields: np.ndarray,
    tau: float,
    push: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Write the gradient.

    Parameters
    ----------
    scores, positives
        [M], and those of the positives, [N].
    row, mass
        As for :func:`terms`.
    place, pieces, order
        As for :func:`_place_on`.
    fields
        Of the two forces, [2, length].
    tau
        Temperature.
    push
        What :func:`terms` has found.
    gradient
        Of the first rows, [live].
    """
    cell, share = np.empty(_TILE, np.uintp), np.empty((len(order) + 1) * _TILE)
    rate = 1 / tau
    for low in range(0, gradient.size, _TILE):
        some = scores[low : min(low + _TILE, gradient.size)]
        _place(some, place, pieces, order, cell, share)
        for j in range(some.size):
            value = 0.0
            for m in range(len(order)):
                value += share[m * _TILE + j] * fields[0, cell[j] + np.uintp(m)]
            gradient[low + j] = value * (mass[low + j] if mass.size else 1.0) * rate
    # At the positives two parts nearly cancel: they are added in double precision.
    for low in range(0, row.size, _TILE):
        some = positives[low : low + _TILE]
        _place(some, place, pieces, order, cell, share)
        for j in range(some.size):
            at = row[low + j]
            if at < gradient.size:
                pulled = 0.0
                for m in range(len(order)):
                    pulled += share[m * _TILE + j] * (
                        fields[0, cell[j] + np.uintp(m)] - fields[1, cell[j] + np.uintp(m)]
                    )
                gradient[at] = (push[low + j] + pulled * (mass[at] if mass.size else 1.0)) / tau


read = compiled(_read)
