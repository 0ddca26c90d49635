"""The threshold losses on the CPU, in numpy: cheaper calls than torch's, and a vectorised partition.

They compute what the torch forms compute, for pools that are not weighted and hold no NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

__all__ = [
    "SAMPLED",
    "SPREAD",
    "TAIL",
    "Interpolation",
    "Solution",
    "logistic",
    "near_pairs",
    "quantiles",
    "recall",
    "turned",
]

Interpolation = Literal["linear", "lower", "higher", "nearest", "midpoint"]

TAIL = 2.7
"""Makes the anchor's kernel as wide as the slope of a sigmoid of the same bandwidth."""

SPREAD = 0.1
"""Least bandwidth of the anchor in standard deviations."""

SAMPLED = 2048
"""Rows from which the standard deviation is taken, about."""

_TILE = 256  # rows copied at once: the tile stays in the cache while it is turned
_SORT_BELOW = 2048  # numpy sorts short rows as fast as it partitions them
_MANY = 6
_KAPPA = 12  # nodes per temperature
_REACH = 20  # temperatures beyond which a sigmoid is 0 or 1 in single precision
_NEAR_NODES = 1_000_000
_CHUNK = 16_384  # values handled at once: their temporaries stay in the cache


class Solution(NamedTuple):
    """Loss of each class, whether it has one, [C], and its gradient by the live scores, [live, C]."""

    loss: np.ndarray
    valid: np.ndarray
    gradient: np.ndarray


def logistic(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z)), computed in place."""
    np.negative(z, out=z)
    with np.errstate(over="ignore"):  # exp is infinite where the result is 0
        np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)
    return z


def turned(scores: np.ndarray) -> np.ndarray:
    """Copy scores [M, C] to rows of classes, [C, M]."""
    if scores.shape[1] == 1:
        return scores.T.copy()
    out = np.empty(scores.shape[::-1], dtype=scores.dtype)
    for low in range(0, scores.shape[0], _TILE):
        out[:, low : low + _TILE] = scores[low : low + _TILE].T
    return out


def _order_statistics(values: np.ndarray, places: Sequence[int]) -> dict[int, float]:
    """Return the values at some places of the sorted row; disorders the row. `places` ascend."""
    found: dict[int, float] = {}
    done = 0
    for i, place in enumerate(places):
        if values.shape[0] < _SORT_BELOW or len(places) - i > _MANY:
            values.sort()
            found |= {later: values[later - done] for later in places[i:]}
            break
        values.partition(place - done)
        values = values[place - done :]
        done = place
        found[place] = values[0]
    if math.isnan(values.max()):  # NaN sorts last
        return dict.fromkeys(places, math.nan)
    return found


def quantiles(
    values: np.ndarray, levels: Sequence[float], interpolation: Interpolation, missing: int = 0
) -> list[float]:
    """Return quantiles of one row; disorders it.

    Parameters
    ----------
    values
        [M].
    levels
        In [0, 1], [L].
    interpolation
        As ``torch.quantile`` names it.
    missing
        How many of the values, all -inf, are not part of the row.

    Returns
    -------
    list
        [L]; NaN when the row holds one.
    """
    ends = []
    for level in levels:
        rank = level * (values.shape[0] - missing - 1)
        low, high = math.floor(rank), math.ceil(rank)
        if interpolation == "higher":
            low = high
        elif interpolation == "lower":
            high = low
        elif interpolation == "nearest":
            low = high = round(rank)
        ends.append((low + missing, high + missing, 0.5 if interpolation == "midpoint" else rank - low))
    found = _order_statistics(values, sorted({place for low, high, _ in ends for place in (low, high)}))
    # numpy scalars, so that the arithmetic stays in the scores' type
    return [
        found[low]
        if found[low] == found[high]
        else found[low] + values.dtype.type(share) * (found[high] - found[low])
        for low, high, share in ends
    ]


def recall(
    scores: np.ndarray,
    members: tuple[np.ndarray, np.ndarray],
    level: float,
    interpolation: Interpolation,
    tau: np.ndarray,
    weight: np.ndarray | None,
    live: int,
    *,
    anchor: bool,
) -> Solution | None:
    """Return 1 - soft recall above a quantile.

    Parameters
    ----------
    scores
        [M, C], M at least 1.
    members
        Row and class of each positive, [E] each.
    level
        1 - q.
    interpolation
        Between order statistics.
    tau
        [C].
    weight
        [M] or None.
    live
        Rows that have gradient; 0 for none.
    anchor
        Whether negatives balance the pull.

    Returns
    -------
    Solution or None
        None where a score is NaN.
    """
    rows, classes = scores.shape
    row, column = members
    theta = np.empty(classes, dtype=scores.dtype)
    for c, values in enumerate(turned(scores)):
        (theta[c],) = quantiles(values, [level], interpolation)
    if np.isnan(theta).any():
        return None
    place = row * classes + column
    scale = tau[column]
    above = logistic((scores.ravel()[place] - theta[column]) / scale)
    factor = None if weight is None else weight[row]
    mass = np.bincount(column, factor, classes)
    valid = mass > 0
    safe = np.where(valid, mass, 1.0)
    caught = np.bincount(column, above if factor is None else above * factor, classes)
    loss = np.where(valid, 1 - caught / safe, np.nan).astype(scores.dtype)
    gradient = np.zeros((live, classes), dtype=scores.dtype)
    if not live:
        return Solution(loss, valid, gradient)
    slope = above * (above - 1) / (scale * safe[column])
    if factor is not None:
        slope *= factor
    if live < rows:
        fresh = row < live
        place, column, slope = place[fresh], column[fresh], slope[fresh]
    if anchor:
        _anchor_pull(gradient, scores, theta, _width(scores, tau), slope, place, column)
    gradient.ravel()[place] = slope
    return Solution(loss, valid, gradient)


def _width(scores: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Return the bandwidth of the anchor's kernel for each class, [C]."""
    sample = scores[:: 1 + scores.shape[0] // SAMPLED]
    with np.errstate(invalid="ignore", over="ignore"):
        away = sample - sample[:1]
        square = np.einsum("ij,ij->j", away, away) / len(sample) - (away.sum(0) / len(sample)) ** 2
        spread = np.sqrt(np.where(square < np.inf, np.maximum(square, 0), 0))  # of finite scores
    width: np.ndarray = (TAIL * np.maximum(tau, SPREAD * spread)).astype(scores.dtype)
    return width


def _anchor_pull(
    gradient: np.ndarray,
    scores: np.ndarray,
    threshold: np.ndarray,
    width: np.ndarray,
    slope: np.ndarray,
    place: np.ndarray,
    column: np.ndarray,
) -> None:
    """Balance the pull `slope` on live positives; as ``anchor_pull`` of the torch form."""
    live, classes = gradient.shape
    step = max(1, _CHUNK // classes)
    total = np.zeros(classes)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite scores have no part in it
        for low in range(0, live, step):
            kernel = scores[low : min(live, low + step)] - threshold
            kernel /= width
            kernel *= kernel
            kernel += 1
            kernel *= kernel
            np.reciprocal(kernel, out=gradient[low : low + step])
            total += gradient[low : low + step].sum(0)
    total -= np.bincount(column, gradient.ravel()[place], classes)
    force = -np.bincount(column, slope, classes) / np.where(total > 0, total, np.inf)
    gradient *= force.astype(gradient.dtype)


# -- pairs -------------------------------------------------------------------


def near_pairs(
    query: np.ndarray, source: np.ndarray, tau: float, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Sum sigmoids over all pairs, to single precision, where the sources span few temperatures.

    Scores are spread on a grid of a twelfth of the temperature and read from it by cubic interpolation, whose
    error is about 1e-6 of the largest result.

    Parameters
    ----------
    query
        Scores x, [Q].
    source
        Scores y, [S], S at least 1.
    tau
        Temperature.
    weight
        Of each query in the sum that the last result differentiates, [Q].

    Returns
    -------
    tuple or None
        For each query the sum of sigmoid((x - y) / tau) and its derivative; for each source the derivative of
        the weighted sum. None where the sources span too much.
    """
    step = tau / _KAPPA
    low, high = float(source.min()), float(source.max())
    held, reach = int((high - low) / step) + 6, _REACH * _KAPPA + 2
    nodes = held + 2 * reach
    if held * nodes > _NEAR_NODES:
        return None
    origin = low - 1.5 * step
    at_source = _cubic(source, origin, step)
    at_query = _cubic(query.clip(low - _REACH * tau, high + _REACH * tau), origin - reach * step, step)
    # Distances between a node of the queries and one of the sources, in temperatures.
    rise = logistic((np.arange(1 - held, nodes) - reach) / _KAPPA)
    bell = rise * (1 - rise)
    mass, force = _laid(at_source, None, held), _laid(at_query, weight, nodes)
    value = _seen(at_query, np.convolve(mass, rise, "valid"))
    slope = _seen(at_query, np.convolve(mass, bell, "valid"))
    pull = _seen(at_source, np.correlate(bell, force, "valid")[::-1])
    return value, slope / tau, pull / -tau


def _cubic(points: np.ndarray, origin: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of the four nodes around each point, and the shares of the four, [4, N]."""
    place = (points.astype(np.float64) - origin) / step
    node = place.astype(np.int64)
    t = place - node
    up, down, far = t + 1, t - 1, t - 2
    share = np.stack([-t * down * far / 6, up * down * far / 2, -up * t * far / 2, up * t * down / 6])
    return node - 1, share


def _laid(points: tuple[np.ndarray, np.ndarray], weight: np.ndarray | None, nodes: int) -> np.ndarray:
    first, share = points
    out = np.zeros(nodes)
    for k, part in enumerate(share):
        laid = np.bincount(first + k, part if weight is None else part * weight, nodes)
        out += laid[:nodes]
    return out


def _seen(points: tuple[np.ndarray, np.ndarray], field: np.ndarray) -> np.ndarray:
    first, share = points
    seen: np.ndarray = share[0] * field[first]
    for k in (1, 2, 3):
        seen += share[k] * field[first + k]
    return seen
