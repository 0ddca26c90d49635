"""The threshold losses on the CPU, in numpy: cheaper calls than torch's, and a vectorised partition.

They compute what the torch forms compute, for pools that are not weighted and hold no NaN. Where numba is
installed the longer loops are compiled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from imbalance_doctor.losses._compiled import kernels

__all__ = [
    "NO_PULL",
    "RULES",
    "SAMPLE",
    "SPREAD",
    "TAIL",
    "Interpolation",
    "Solution",
    "logistic",
    "near_pairs",
    "pauc_alone",
    "quantiles",
    "recall",
    "recall_alone",
    "turned",
]

Interpolation = Literal["linear", "lower", "higher", "nearest", "midpoint"]

RULES: tuple[Interpolation, ...] = ("linear", "lower", "higher", "nearest", "midpoint")
"""By their numbers in the compiled form."""

TAIL = 2.7
"""Makes the anchor's kernel as wide as the slope of a sigmoid of the same bandwidth."""

SPREAD = 0.1
"""Least bandwidth of the anchor in standard deviations."""

NO_PULL = 1e-30
"""What the sum of the anchor's kernel is taken for, at least."""

SAMPLE = 512
"""Rows that stand for all where that is enough, about."""

_COLUMNS = 16  # classes turned at once: their scores of a row share a line of the cache
_TILE = 512  # rows copied at once: the tile stays in the cache while it is turned
_FEW = 1024  # scores sorted as they are
_EACH = 32  # of more scores one in so many tells where the others lie
_ENOUGH = 1024  # or so many of them
_PART = 16  # of so many scores one is expected between two of the sample, or fewer
_SURE = 2.0  # standard deviations of a sampled rank
_KAPPA = 12  # nodes per temperature
_REACH = 20  # temperatures beyond which a sigmoid is 0 or 1 in single precision
_NEAR_NODES = 1_000_000
_SCALES = ("none", "iqr", "band")
# Share of a point in each of the four nodes around it, by powers of its distance from the second.
_CUBIC = np.array([[0, -2, 3, -1], [6, -3, -6, 3], [0, 6, 3, -3], [0, -1, 0, 1]]) / 6


class Solution(NamedTuple):
    """Of each class loss, validity, and what its anchor needs, [C]; of each positive the slope."""

    loss: np.ndarray
    valid: np.ndarray
    slope: np.ndarray
    threshold: np.ndarray
    width: np.ndarray
    total: np.ndarray | None
    """Sum of the anchor's kernel over live negatives; None where it is not known."""


def logistic(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z)), computed in place."""
    np.negative(z, out=z)
    with np.errstate(over="ignore"):  # exp is infinite where the result is 0
        np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)
    return z


def turned(scores: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a copy of the scores [M, C] of one class after the other, [M], valid until the next."""
    rows, classes = scores.shape
    if classes == 1:
        yield scores[:, 0].copy()
        return
    buffer = np.empty((min(_COLUMNS, classes), rows), dtype=scores.dtype)
    for left in range(0, classes, _COLUMNS):
        part = scores[:, left : left + _COLUMNS]
        block = buffer[: part.shape[1]]
        for low in range(0, rows, _TILE):
            block[:, low : low + _TILE] = part[low : low + _TILE].T
        yield from block


def _order_statistics(values: np.ndarray, places: Sequence[int]) -> dict[int, float]:
    """Return the values at some places of the sorted row. `places` ascend.

    A sample tells between which scores a place lies, so that only those between need to be partitioned.
    Counting them proves it; where the sample erred, all are.
    """
    count = values.size
    if math.isnan(values.max()):
        return dict.fromkeys(places, math.nan)
    sample = np.sort(values[::_EACH] if count > _FEW else values)
    if sample.size == count:
        return {place: sample[place] for place in places}
    brackets: list[tuple[int, int, list[int]]] = []
    for place in places:
        middle = place / count * sample.size
        margin = 2 + _SURE * math.sqrt(middle * (1 - place / count))
        low, high, members = max(0, int(middle - margin)), int(middle + margin) + 1, [place]
        if brackets and low <= brackets[-1][1]:
            low, _, earlier = brackets.pop()
            members = earlier + members
        brackets.append((low, high, members))
    found: dict[int, float] = {}
    for low, high, members in brackets:
        inside = values >= sample[low]
        below = count - int(np.count_nonzero(inside))
        if high < sample.size:
            inside &= values <= sample[high]
        kept = values.compress(inside)
        if not below <= members[0] <= members[-1] < below + kept.size:
            kept, below = values.copy(), 0
        kept.partition([place - below for place in members])
        found |= {place: kept[place - below] for place in members}
    return found


def _every(rows: int) -> int:
    """Of how many scores one tells where the others lie."""
    return max(_EACH, rows // _ENOUGH) if rows > _FEW else 1


def quantiles(
    values: np.ndarray, levels: Sequence[float], interpolation: Interpolation, missing: int = 0
) -> list[float]:
    """Return quantiles of one row.

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
    ends = _ends(levels, values.size, interpolation, missing)
    compiled = kernels("order") if values.size > _FEW else None
    if compiled is not None:
        found = np.empty((len(ends), 2), values.dtype)
        places = np.array([end[:2] for end in ends])
        compiled.statistics(values, np.sort(values[::_EACH]), places, np.empty_like(values), found)
        pairs = list(found)
    else:
        wanted = _order_statistics(values, sorted({place for end in ends for place in end[:2]}))
        pairs = [(wanted[low], wanted[high]) for low, high, _ in ends]
    # numpy scalars, so that the arithmetic stays in the scores' type
    return [
        low if low == high else low + values.dtype.type(end[2]) * (high - low)
        for (low, high), end in zip(pairs, ends, strict=True)
    ]


def _ends(
    levels: Sequence[float], count: int, interpolation: Interpolation, missing: int
) -> list[tuple[int, int, float]]:
    """Return the lower and upper order statistic of each quantile, and the share of the upper."""
    ends = []
    for level in levels:
        rank = level * (count - missing - 1)
        low, high = math.floor(rank), math.ceil(rank)
        if interpolation == "higher":
            low = high
        elif interpolation == "lower":
            high = low
        elif interpolation == "nearest":
            low = high = round(rank)
        ends.append((low + missing, high + missing, 0.5 if interpolation == "midpoint" else rank - low))
    return ends


def recall(
    scores: np.ndarray,
    members: tuple[np.ndarray, np.ndarray],
    level: float,
    interpolation: Interpolation,
    tau: np.ndarray,
    weight: np.ndarray | None,
    live: int,
) -> Solution | None:
    """Return 1 - soft recall above a quantile.

    Parameters
    ----------
    scores
        [M, C], M at least 1.
    members
        Flat place in the scores and class of each positive, [E] each.
    level
        1 - q.
    interpolation
        Between order statistics.
    tau
        [C].
    weight
        Of each positive, [E], or None.
    live
        Rows ``[0, live)`` take part in the anchor; 0 where there is none.

    Returns
    -------
    Solution or None
        None where a score is NaN.
    """
    compiled = kernels("recall")
    if compiled is not None:
        return _recall_compiled(compiled, scores, members, level, interpolation, tau, weight, live)
    classes, kind = scores.shape[1], scores.dtype
    place, column = members
    theta = np.array([quantiles(one, [level], interpolation)[0] for one in turned(scores)], kind)
    if np.isnan(theta).any():
        return None
    at = column if classes > 1 else 0
    scale = tau[at]
    above = logistic((scores.ravel()[place] - theta[at]) / scale)
    mass = np.bincount(column, weight, classes)
    valid = mass > 0
    safe = np.where(valid, mass, 1.0).astype(kind)
    slope = above - 1
    slope *= above
    slope /= scale * safe[at]
    if weight is not None:
        slope *= weight
        above *= weight
    loss = np.where(valid, 1 - np.bincount(column, above, classes) / safe, np.nan).astype(kind)
    return Solution(loss, valid, slope, theta, _width(scores, tau), None)


def recall_alone(
    scores: np.ndarray,
    targets: np.ndarray,
    rank: tuple[float, Interpolation],
    tau: float,
    weight: np.ndarray | None,
    live: int,
    gradient: np.ndarray | None,
    *,
    anchor: bool,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Do the same for a class alone, compiled, with the gradient.

    Parameters
    ----------
    scores
        [M, 1], M at least 1.
    targets
        1 marks a positive, 0 the others, [M].
    rank
        1 - q, and the interpolation between order statistics.
    tau
        Temperature.
    weight
        Of each row as a positive, [M], or None.
    live
        Rows ``[0, live)`` receive gradient.
    gradient
        Takes it, [M, 1]; None where it is not wanted.
    anchor
        Whether negatives near the threshold receive gradient.

    Returns
    -------
    tuple or None
        Loss, [], and validity, [1]. None where a score is NaN or a label is neither 0 nor 1, and without
        numba.
    """
    compiled = kernels("alone")
    if compiled is None:
        return None
    scores = np.ascontiguousarray(scores[:, 0])
    rows, nothing = scores.size, np.empty(0, scores.dtype)
    out = np.empty(1, scores.dtype), np.empty(1, bool)
    known = compiled.recall(
        scores,
        np.ascontiguousarray(targets),
        _every(rows),
        nothing if weight is None else weight,
        _ends(rank[:1], rows, rank[1], 0)[0],
        (1 + rows // SAMPLE, SPREAD, TAIL, NO_PULL),
        (tau, live, anchor),
        (*out, nothing if gradient is None else gradient[:, 0]),
    )
    return (out[0].reshape(()), out[1]) if known else None


def _recall_compiled(
    compiled: Any,
    scores: np.ndarray,
    members: tuple[np.ndarray, np.ndarray],
    level: float,
    interpolation: Interpolation,
    tau: np.ndarray,
    weight: np.ndarray | None,
    live: int,
) -> Solution | None:
    scores = np.ascontiguousarray(scores)
    (rows, classes), kind = scores.shape, scores.dtype
    rank = _ends([level], rows, interpolation, 0)[0]
    sample = np.sort(np.ascontiguousarray(scores[:: _EACH if rows > _FEW else 1].T))
    kept = np.empty((classes, rows // _PART + _FEW), kind)
    at = np.empty(classes, kind), tau.copy(), np.zeros(classes)
    compiled.thresholds(scores, sample, rank, (1 + rows // SAMPLE, SPREAD, TAIL), live, kept, at)
    if np.isnan(at[0]).any():
        return None
    out = np.empty(classes, kind), np.empty(classes, bool), np.empty(members[0].size, kind)
    compiled.recall(scores, members, np.empty(0, kind) if weight is None else weight, tau, live, at, out)
    return Solution(*out, *at)


def _width(scores: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Return the bandwidth of the anchor's kernel for each class, [C]."""
    sample = scores[:: 1 + scores.shape[0] // SAMPLE]
    with np.errstate(invalid="ignore", over="ignore"):  # infinite scores leave it to the temperature
        away = sample - sample[0]
        mean = away.sum(0) / len(away)
        spread = np.sqrt(np.maximum(np.einsum("ij,ij->j", away, away) / len(away) - mean * mean, 0))
    width: np.ndarray = np.fmax(tau, SPREAD * spread) * tau.dtype.type(TAIL)
    return width


def pauc_alone(
    scores: np.ndarray,
    targets: np.ndarray,
    levels: np.ndarray,
    weight: np.ndarray | None,
    width: tuple[Interpolation, str, float, float],
    flags: tuple[bool, bool, bool, bool, bool],
    live: int,
    *,
    wanted: bool,
) -> tuple[float, np.ndarray, np.ndarray] | None:
    """Return 1 - pAUC of a class alone, compiled, with the gradient.

    Parameters
    ----------
    scores
        float32 [M, 1], M at least 1.
    targets
        1 marks a positive, 0 the others, [M].
    levels
        Of the knots, from 1 - alpha down to 1 - beta, and of the quartiles where the scale needs them.
    weight
        Of each row as a positive, [M], or None.
    width
        Interpolation between order statistics; ``'iqr'``, ``'band'`` or ``'none'``; least scale; temperature.
    flags
        Whether the thresholds are those of the negatives; the band is open above; the value is that of the
        pairs; the gradient is; only live positives count.
    live
        Rows ``[0, live)`` receive gradient.
    wanted
        Whether the gradient is.

    Returns
    -------
    tuple or None
        The loss; rows with gradient and the gradient there, [E] each. None without numba, and for what the
        other forms have to look at: no loss, NaN, infinities, other labels, many temperatures.
    """
    compiled = kernels("budget")
    if compiled is None:
        return None
    scores, targets = np.ascontiguousarray(scores[:, 0]), np.ascontiguousarray(targets)
    done, *rest = compiled.pauc(
        scores,
        targets,
        _every(scores.size),
        np.empty(0, scores.dtype) if weight is None else weight,
        levels,
        (RULES.index(width[0]), _SCALES.index(width[1]), *width[2:]),
        flags,
        (live, wanted, (_KAPPA, _REACH, _NEAR_NODES)),
    )
    return (rest[0], rest[1], rest[2]) if done else None


# -- pairs -------------------------------------------------------------------


def near_pairs(
    query: np.ndarray, source: np.ndarray, tau: float, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Sum sigmoids over all pairs, to single precision, where the sources span few temperatures.

    Scores are spread on a grid of a twelfth of the temperature by cubic interpolation, and the sums read from
    it by cubics through values and slopes. The error is about 1e-6 of the largest result.

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
    compiled = kernels("near")
    if compiled is not None:
        sums = np.empty(query.size), np.empty(query.size), np.empty(source.size)
        done = compiled.near_pairs(query, source, weight, tau, (_KAPPA, _REACH, _NEAR_NODES), sums)
        return sums if done else None
    step = tau / _KAPPA
    low, high = float(source.min()), float(source.max())
    held, reach = int((high - low) / step) + 6, _REACH * _KAPPA + 2
    nodes = held + 2 * reach
    if held * nodes > _NEAR_NODES:
        return None
    origin = low - 1.5 * step
    at_source = _placed(source, origin, step)
    at_query = _placed(query.clip(low - _REACH * tau, high + _REACH * tau), origin - reach * step, step)
    # Distances between a node of the queries and one of the sources, in temperatures.
    rise = logistic((np.arange(1 - held, nodes) - reach) / _KAPPA)
    bell = rise * (1 - rise)
    bell /= _KAPPA
    mass, force = _laid(at_source, None, held), _laid(at_query, weight, nodes)
    value, slope = _seen(
        at_query, *_between(np.convolve(mass, rise, "valid"), np.convolve(mass, bell, "valid"))
    )
    field = np.correlate(bell, force, "valid")[::-1]
    near = np.stack([field[k : held - 3 + k] for k in range(4)])
    pull, _ = _seen((at_source[0] - 1, at_source[1]), *(_CUBIC.T @ near))
    return value, slope / step, pull / -step


def _placed(points: np.ndarray, origin: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the node below each point, and how far beyond it the point lies, in nodes."""
    place = points.astype(np.float64)
    place -= origin
    place /= step
    node = place.astype(np.int64)
    place -= node
    return node, place


def _laid(points: tuple[np.ndarray, np.ndarray], weight: np.ndarray | None, nodes: int) -> np.ndarray:
    """Spread weights on the four nodes around each point, by way of the moments of the points of a node."""
    node, t = points
    moments = np.empty((4, nodes))
    moments[0] = np.bincount(node, weight, nodes)
    power = t if weight is None else weight * t
    for k in (1, 2, 3):
        moments[k] = np.bincount(node, power, nodes)
        power = power * t
    out: np.ndarray
    before, out, after, last = _CUBIC @ moments
    out[:-1] += before[1:]
    out[1:] += after[:-1]
    out[2:] += last[:-2]
    return out


def _between(value: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the coefficients of the cubics between nodes, from values and slopes there."""
    gain, left, right = np.diff(value), slope[:-1], slope[1:]
    return value, slope, 3 * gain - 2 * left - right, left + right - 2 * gain


def _seen(points: tuple[np.ndarray, np.ndarray], *cubic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and derivative at each point of the cubics beyond the nodes."""
    node, t = points
    c0, c1, c2, c3 = (part[node] for part in cubic)
    c3 *= t
    value = c3 + c2
    value *= t
    value += c1
    slope = c3 * 2
    slope += c2
    slope *= t
    slope += value
    value *= t
    value += c0
    return value, slope
