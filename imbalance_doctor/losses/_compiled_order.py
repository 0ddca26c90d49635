"""Order statistics, the threshold losses' gradient and pairs of positives and band, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp

__all__ = ["gradient", "near_pairs", "recall", "statistics", "thresholds"]

_SURE = 2.0  # standard deviations of a sampled rank
_BLOCK = 8192  # values marked at once: they stay in the cache
_TILE = 512  # rows turned at once: they stay in the cache
_FAR = 700.0  # exp of it is a double

# -- order statistics ------------------------------------------------------------------------------


def _mark(values: np.ndarray, low: float, high: float, mask: np.ndarray) -> Any:
    """Mark the values between two bounds; count the lower ones, and those between."""
    below = inside = np.float32(0)  # exact for so few, and added side by side
    for j in range(values.size):
        x = values[j]
        here = (x >= low) & (x <= high)
        mask[j] |= here
        inside += np.float32(here)
        below += np.float32(x < low)
    return below, inside


def _any_nan(values: np.ndarray) -> Any:
    odd = np.float32(0)
    for j in range(values.size):
        odd += np.float32(np.isnan(values[j]))
    return odd > 0


_mark_between, _has_nan = compiled(_mark), compiled(_any_nan)


def _keep(values: np.ndarray, mask: np.ndarray, kept: np.ndarray) -> int:
    count = 0
    for j in range(values.size):  # a branch would be guessed wrong too often
        kept[count] = values[j]
        count += mask[j]
    return count


def _between(values: np.ndarray, low: float, high: float, kept: np.ndarray) -> int:
    count = 0
    for j in range(values.size):
        kept[count] = values[j]
        count += (values[j] >= low) & (values[j] <= high)
    return count


_keep_marked, _keep_between = compiled(_keep, exact=True), compiled(_between, exact=True)


def _statistics(
    values: np.ndarray,
    each: int,
    places: np.ndarray,
    room: tuple[np.ndarray, np.ndarray],
    out: np.ndarray,
) -> None:
    """Find values by their places in the sorted row.

    A sample tells between which scores a place lies, so that only those between need to be partitioned.
    Counting them proves it; where the sample erred, all are.

    Parameters
    ----------
    values
        [M].
    each
        One in so many is sampled.
    places
        From 0, lower and upper of each quantile, equal or neighbours, [L, 2].
    room
        Work space, uint8 and of the values' type, [M] each.
    out
        Takes the values, NaN for a row with a NaN, [L, 2].
    """
    count, sample = values.size, values[::each].copy()
    size = sample.size
    out[:] = np.nan
    mask, kept = room
    mask[:] = 0
    bounds, counts = np.empty((len(places), 2), values.dtype), np.zeros((len(places), 2), np.int64)
    for k in range(len(places)):
        share = places[k, 0] / count
        margin = 2 + _SURE * np.sqrt(share * size * (1 - share)) if size < count else 0.0
        low, high = int(max(0, share * size - margin)), int(share * size + margin) + 1
        bounds[k, 0], bounds[k, 1] = np.partition(sample, low)[low], np.inf
        if high < size:
            bounds[k, 1] = np.partition(sample, high)[high]
    for start in range(0, count, _BLOCK):
        block, marks = values[start : start + _BLOCK], mask[start : start + _BLOCK]
        if _has_nan(block):
            return
        for k in range(len(places)):
            below, inside = _mark_between(block, bounds[k, 0], bounds[k, 1], marks)
            counts[k, 0] += np.int64(below)
            counts[k, 1] += np.int64(inside)
    marked = kept[: _keep_marked(values, mask, kept)]
    apart = np.empty(counts[:, 1].max() + 1, values.dtype)
    for k in range(len(places)):
        first, second = places[k, 0] - counts[k, 0], places[k, 1] - counts[k, 0]
        if first >= 0 and second < counts[k, 1]:
            part = marked
            if len(places) > 1:
                part = apart[: _keep_between(marked, bounds[k, 0], bounds[k, 1], apart)]
        else:
            part, first, second = values, places[k, 0], places[k, 1]
        ordered = np.partition(part, first)
        out[k, 0] = out[k, 1] = ordered[first]
        if second > first:
            out[k, 1] = ordered[second:].min()


statistics = compiled(_statistics, exact=True)


# -- recall above a quantile -----------------------------------------------------------------------


def _kernel_sum(x: np.ndarray, threshold: float, width: float) -> float:
    """Sum the anchor's kernel over the scores of a class."""
    square, total = width * width, 0.0
    for j in range(x.size):
        away = x[j] - threshold
        share = width / (square + away * away)
        total += share * share
    return total


def _deviation(x: np.ndarray, step: int) -> Any:
    """Return the standard deviation of every `step`-th score."""
    total = square = 0.0
    for j in range(0, x.size, step):
        away = np.float64(x[j]) - x[0]
        total += away
        square += away * away
    count = (x.size + step - 1) // step
    return np.sqrt(max(square / count - (total / count) ** 2, 0.0))


_sum_kernel, _spread_of = compiled(_kernel_sum), compiled(_deviation)


def _thresholds(
    scores: np.ndarray,
    first: int,
    rank: tuple[int, int, float],
    sampling: tuple[int, int],
    shape: tuple[float, float],
    live: int,
    room: tuple[np.ndarray, np.ndarray, np.ndarray],
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Find a quantile of each of some neighbouring classes, and what its anchor needs.

    Parameters
    ----------
    scores
        [M, C].
    first
        The first of the classes.
    rank
        Lower and upper order statistic, and the share of the upper.
    sampling
        One score in so many is sampled for the quantile; and for the deviation.
    shape
        Least bandwidth of the anchor in deviations, and the factor from bandwidth to width.
    live
        Rows ``[0, live)`` are summed over; 0 where the anchor is not wanted.
    room
        Work space: uint8 [M], and of the scores' type [M] and [columns, M], which with one class are the
        scores.
    out
        Takes the quantile and the sum of the kernel, and holds the temperature where it takes the width, [C].
    """
    lower, upper, between = rank
    each, step = sampling
    spread, tail = shape
    mask, kept, block = room
    theta, width, total = out
    rows, places, found = len(scores), np.array([[lower, upper]]), np.empty((1, 2), scores.dtype)
    if scores.shape[1] > 1:
        for start in range(0, rows, _TILE):
            for c in range(len(block)):
                for j in range(start, min(start + _TILE, rows)):
                    block[c, j] = scores[j, first + c]
    for i in range(len(block)):
        c = first + i
        statistics(block[i], each, places, (mask, kept), found)
        low, high = found[0]
        theta[c] = low if low == high else low + theta.dtype.type(between) * (high - low)
        if live > 0:
            deviation = spread * _spread_of(block[i], step)
            width[c] = tail * (deviation if width[c] < deviation < np.inf else width[c])
            total[c] = _sum_kernel(block[i, :live], theta[c], width[c])


thresholds = compiled(_thresholds, exact=True)


def _recall(
    scores: np.ndarray,
    members: tuple[np.ndarray, np.ndarray],
    weight: np.ndarray,
    tau: np.ndarray,
    live: int,
    at: tuple[np.ndarray, np.ndarray, np.ndarray],
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Compute 1 - soft recall of each class above its threshold, and the derivatives.

    Parameters
    ----------
    scores
        [M, C].
    members
        Flat place in the scores and class of each positive, [E] each.
    weight
        Of each positive, [E], or [0] for 1.
    tau
        Temperatures, [C].
    live
        As for :func:`thresholds`; live positives are taken out of the sums.
    at
        What :func:`thresholds` has found.
    out
        Takes the loss, NaN for a class without weight, and its validity, [C]; the derivatives, [E].
    """
    place, column = members
    theta, width, total = at
    loss, valid, slope = out
    one = slope.dtype.type(1)  # in the scores' type, as the torch form
    flat, classes = scores.ravel(), scores.shape[1]
    mass, caught = np.zeros(classes), np.zeros(classes)
    for k in range(place.size):
        c = column[k]
        x, share = flat[place[k]], weight[k] if weight.size else 1.0
        z = np.float64((x - theta[c]) / tau[c])
        above = one / (one + slope.dtype.type(exp(min(max(-z, -_FAR), _FAR))))
        mass[c] += share
        caught[c] += share * above
        slope[k] = share * above * (above - one) / tau[c]
        if place[k] < live * classes:
            away = x - theta[c]
            kernel = width[c] / (width[c] * width[c] + away * away)
            total[c] -= kernel * kernel
    for c in range(classes):
        valid[c] = mass[c] > 0
        loss[c] = 1 - caught[c] / mass[c] if valid[c] else np.nan
    for k in range(place.size):
        slope[k] /= mass[column[k]] if valid[column[k]] else np.inf


recall = compiled(_recall)

# -- the anchor -----------------------------------------------------------------------------------


def _pull(x: np.ndarray, threshold: float, width: float, factor: float, out: np.ndarray) -> None:
    """Write a multiple of the kernel at each score of a class."""
    square = width * width
    for j in range(x.size):
        away = x[j] - threshold
        share = width / (square + away * away)
        out[j] = share * share * factor


def _pull_row(
    x: np.ndarray, threshold: np.ndarray, width: np.ndarray, factor: np.ndarray, out: np.ndarray
) -> None:
    """Do so for the scores of a row, each of another class."""
    for c in range(x.size):
        away = x[c] - threshold[c]
        share = width[c] / (width[c] * width[c] + away * away)
        out[c] = share * share * factor[c]


_fill_pull, _fill_row = compiled(_pull), compiled(_pull_row)


def _gradient(
    scores: np.ndarray,
    anchor: tuple[np.ndarray, np.ndarray, np.ndarray],
    slopes: tuple[np.ndarray, np.ndarray, np.ndarray],
    upstream: np.ndarray,
    least: float,
    part: tuple[int, int],
    out: np.ndarray,
) -> None:
    """Write the gradient of the anchored losses for some live rows.

    Parameters
    ----------
    scores
        Of the live rows, [live, C].
    anchor
        Threshold and width of each class, of the scores' type, and the sum of the kernel over its live
        negatives, [C].
    slopes
        Flat place and class of each positive among them, ascending, and its derivative, [E].
    upstream
        Gradient by each class's loss, [C].
    least
        What the sum of the kernel is taken for, at least.
    part
        First row, and the end.
    out
        Takes the gradient, [live, C].
    """
    threshold, width, total = anchor
    place, column, slope = slopes
    first, end = part
    classes = scores.shape[1]
    factor = np.zeros(classes, out.dtype)
    for k in range(place.size):
        factor[column[k]] -= slope[k] * upstream[column[k]]
    for c in range(classes):
        factor[c] /= max(total[c], least)
    flat = out.ravel()
    if classes == 1:
        _fill_pull(scores.ravel()[first:end], threshold[0], width[0], factor[0], flat[first:end])
    else:
        for j in range(first, end):
            _fill_row(scores[j], threshold, width, factor, out[j])
    for k in range(place.size):
        if first * classes <= place[k] < end * classes:
            flat[place[k]] = slope[k] * upstream[column[k]]


gradient = compiled(_gradient)

# -- pairs -----------------------------------------------------------------------------------------


def _lagrange(t: float, out: np.ndarray) -> None:
    """Write the shares of a point in the four nodes around it, `t` beyond the second."""
    out[0] = t * (-2 + t * (3 - t)) / 6
    out[1] = 1 + t * (-3 + t * (-6 + 3 * t)) / 6
    out[2] = t * (6 + t * (3 - 3 * t)) / 6
    out[3] = t * (t * t - 1) / 6


def _add_times(factor: float, values: np.ndarray, out: np.ndarray) -> None:
    for n in range(out.size):
        out[n] += factor * values[n]


def _product(first: np.ndarray, second: np.ndarray) -> float:
    total = 0.0
    for n in range(first.size):
        total += first[n] * second[n]
    return total


_cubic, _add, _dot = compiled(_lagrange), compiled(_add_times), compiled(_product)


def _spread(
    points: np.ndarray,
    weight: np.ndarray,
    reach: tuple[float, float],
    grid: tuple[float, float],
    nodes: np.ndarray,
) -> None:
    """Add the weights of points, or 1, to the four nodes around each; those out of reach to the last ones."""
    (low, high), (start, step) = reach, grid
    share = np.empty(4)
    for i in range(points.size):
        position = (min(max(np.float64(points[i]), low), high) - start) / step
        node = int(position)
        _cubic(position - node, share)
        for m in range(4):
            nodes[node - 1 + m] += share[m] * (weight[i] if weight.size else 1.0)


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
    held = int((high - low) / step) + 6
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
    for s in range(held):
        shift = held - 1 - s
        if mass[s] != 0:
            _add(mass[s], rise[shift : shift + nodes], value)
            _add(mass[s], bell[shift : shift + nodes], slope)
        field[s] = _dot(force, bell[shift : shift + nodes])
    sums, steep, pull = out
    for i in range(query.size):
        position = (min(max(np.float64(query[i]), least), greatest) - start) / step
        n = int(position)
        t = position - n
        gain, left, right = value[n + 1] - value[n], slope[n], slope[n + 1]
        c2, c3 = 3 * gain - 2 * left - right, left + right - 2 * gain
        sums[i] = value[n] + t * (left + t * (c2 + t * c3))
        steep[i] = (left + t * (2 * c2 + t * 3 * c3)) / step
    share = np.empty(4)
    for j in range(source.size):
        position = (np.float64(source[j]) - origin) / step
        n = int(position)
        _cubic(position - n, share)
        pulled = 0.0
        for m in range(4):
            pulled += share[m] * field[n - 1 + m]
        pull[j] = -pulled / step
    return True


near_pairs = compiled(_near)
