"""Sums of sigmoids over pairs of positives and band, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp

__all__ = ["near_pairs"]

_SIXTH = 1 / 6


def _add_four(mass: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Add what four neighbouring nodes send to all others; `values` begins with those of the last."""
    size = out.size
    one, two, three, four = values[3 : 3 + size], values[2 : 2 + size], values[1 : 1 + size], values[:size]
    first, second, third, fourth = mass[0], mass[1], mass[2], mass[3]
    for n in range(size):
        out[n] += first * one[n] + second * two[n] + (third * three[n] + fourth * four[n])


def _take_four(force: np.ndarray, values: np.ndarray) -> Any:
    """Return what all nodes send to four neighbouring ones; `values` begins with those of the last."""
    size = force.size
    one, two, three, four = values[3 : 3 + size], values[2 : 2 + size], values[1 : 1 + size], values[:size]
    first = second = third = fourth = 0.0
    for n in range(size):
        first += force[n] * one[n]
        second += force[n] * two[n]
        third += force[n] * three[n]
        fourth += force[n] * four[n]
    return first, second, third, fourth


_add, _take = compiled(_add_four), compiled(_take_four)


def _spread(
    points: np.ndarray,
    weight: np.ndarray,
    reach: tuple[float, float],
    grid: tuple[float, float],
    nodes: np.ndarray,
) -> None:
    """Add the weights of points, or 1, to the four nodes around each; those out of reach to the last ones.

    The shares of a point `t` beyond the second of the nodes are those of cubic interpolation.
    """
    (low, high), (start, step) = reach, grid
    dense = 1 / step
    for i in range(points.size):
        position = (min(max(np.float64(points[i]), low), high) - start) * dense
        node = int(position)
        t, w = position - node, (weight[i] if weight.size else 1.0) * _SIXTH
        nodes[node - 1] += w * (t * (-2 + t * (3 - t)))
        nodes[node] += w * (6 + t * (-3 + t * (-6 + 3 * t)))
        nodes[node + 1] += w * (t * (6 + t * (3 - 3 * t)))
        nodes[node + 2] += w * (t * (t * t - 1))


_fill_nodes = compiled(_spread)


def _near(
    query: np.ndarray,
    source: np.ndarray,
    weight: np.ndarray,
    tau: float,
    size: tuple[int, int, int],
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """Sum sigmoids over all pairs of two lists by way of a grid, if they span little; see `_host.near_pairs`.

    Parameters
    ----------
    query, source
        Scores, [Q] and [S].
    weight
        Of each query, [Q].
    tau
        Temperature.
    size
        Nodes for each temperature; temperatures beyond which a sigmoid is 0 or 1; pairs of nodes from which
        it is not done.
    out
        Takes what `_host.near_pairs` returns, float64, [Q], [Q] and [S].
    """
    per, reach, most = size
    step = tau / per
    low, high = np.float64(source.min()), np.float64(source.max())
    if not (high - low) / step < most:
        return False
    away = reach * per + 2
    held = (int((high - low) / step) + 9) // 4 * 4  # four nodes are done at once
    nodes = held + 2 * away
    if held * nodes > most:
        return False
    origin = low - 1.5 * step
    start = origin - away * step
    least, greatest = low - reach * tau, high + reach * tau
    mass, force = np.zeros(held), np.zeros(nodes)
    _fill_nodes(source, np.empty(0, weight.dtype), (low, high), (origin, step), mass)
    _fill_nodes(query, weight, (least, greatest), (start, step), force)
    # Distances between a node of the queries and one of the sources, in temperatures.
    rise, bell = np.empty(nodes + held - 1), np.empty(nodes + held - 1)
    for n in range(rise.size):
        z = np.float64(n + 1 - held - away) / per
        rise[n] = 1 / (1 + exp(-z))
        bell[n] = rise[n] * (1 - rise[n]) / per
    value, slope, field = np.zeros(nodes), np.zeros(nodes), np.empty(held)
    for s in range(0, held, 4):
        shift = held - 4 - s
        if mass[s] != 0 or mass[s + 1] != 0 or mass[s + 2] != 0 or mass[s + 3] != 0:
            _add(mass[s:], rise[shift:], value)
            _add(mass[s:], bell[shift:], slope)
        field[s], field[s + 1], field[s + 2], field[s + 3] = _take(force, bell[shift:])
    sums, steep, pull = out
    dense = 1 / step
    for i in range(query.size):
        position = (min(max(np.float64(query[i]), least), greatest) - start) * dense
        n = int(position)
        t = position - n
        gain, left, right = value[n + 1] - value[n], slope[n], slope[n + 1]
        c2, c3 = 3 * gain - 2 * left - right, left + right - 2 * gain
        sums[i] = value[n] + t * (left + t * (c2 + t * c3))
        steep[i] = (left + t * (2 * c2 + t * 3 * c3)) * dense
    for j in range(source.size):
        position = (np.float64(source[j]) - origin) * dense
        n = int(position)
        t = position - n
        pulled = (t * (-2 + t * (3 - t))) * field[n - 1]
        pulled += (6 + t * (-3 + t * (-6 + 3 * t))) * field[n]
        pulled += (t * (6 + t * (3 - 3 * t))) * field[n + 1]
        pulled += (t * (t * t - 1)) * field[n + 2]
        pull[j] = -pulled * _SIXTH * dense
    return True


near_pairs = compiled(_near)
