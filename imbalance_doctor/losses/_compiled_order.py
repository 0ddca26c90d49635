"""Order statistics, the threshold losses' gradient and pairs of positives and band, compiled."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp

__all__ = ["gradient", "near_pairs", "statistics", "turned_statistics", "widths"]

_SURE = 2.0  # standard deviations of a sampled rank

# -- order statistics ------------------------------------------------------------------------------


def _mark(values: np.ndarray, low: float, high: float, mask: np.ndarray) -> tuple[int, int, int]:
    """Mark the values between two bounds; count the lower ones, those between, and the NaN."""
    below = inside = odd = 0
    for j in range(values.size):
        x = values[j]
        here = (x >= low) & (x <= high)
        mask[j] |= here
        inside += here
        below += x < low
        odd += np.isnan(x)
    return below, inside, odd


_mark_between = compiled(_mark, exact=True)


def _keep(values: np.ndarray, mask: np.ndarray, kept: np.ndarray) -> int:
    count = 0
    for j in range(values.size):  # a branch would be guessed wrong too often
        kept[count] = values[j]
        count += mask[j]
    return count


_keep_marked = compiled(_keep, exact=True)


def _statistics(
    values: np.ndarray,
    sample: np.ndarray,
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
    sample
        Some of them, sorted; where it is all, the others are not looked at. [S].
    places
        From 0, lower and upper of each quantile, equal or neighbours, [L, 2].
    room
        Work space, uint8 and of the values' type, [M] each.
    out
        Takes the values, NaN for a row with a NaN, [L, 2].
    """
    count, size = values.size, sample.size
    out[:] = np.nan
    if np.isnan(sample[-1]):
        return
    if size == count:
        for k in range(len(places)):
            out[k, 0], out[k, 1] = sample[places[k, 0]], sample[places[k, 1]]
        return
    mask, kept = room
    mask[:] = 0
    bounds, counts = np.empty((len(places), 2), values.dtype), np.empty((len(places), 2), np.int64)
    for k in range(len(places)):
        share = places[k, 0] / count
        margin = 2 + _SURE * np.sqrt(share * size * (1 - share))
        low, high = int(max(0, share * size - margin)), int(share * size + margin) + 1
        bounds[k, 0] = sample[low]
        bounds[k, 1] = sample[high] if high < size else np.inf
        below, inside, odd = _mark_between(values, bounds[k, 0], bounds[k, 1], mask)
        counts[k, 0], counts[k, 1] = below, inside
        if odd:
            return
    marked = kept[: _keep_marked(values, mask, kept)]
    for k in range(len(places)):
        first, second = places[k, 0] - counts[k, 0], places[k, 1] - counts[k, 0]
        if first >= 0 and second < counts[k, 1]:
            part = marked[(marked >= bounds[k, 0]) & (marked <= bounds[k, 1])]
        else:
            part, first, second = values, places[k, 0], places[k, 1]
        ordered = np.partition(part, first)
        out[k, 0] = out[k, 1] = ordered[first]
        if second > first:
            out[k, 1] = ordered[second:].min()


statistics = compiled(_statistics, exact=True)


def _turned(
    scores: np.ndarray,
    sample: np.ndarray,
    places: np.ndarray,
    first: int,
    tile: int,
    room: tuple[np.ndarray, np.ndarray],
    out: np.ndarray,
) -> None:
    """Do this for some neighbouring columns of a matrix.

    Parameters
    ----------
    scores
        [M, C].
    sample
        [columns, S].
    places
        [L, 2].
    first
        First of the columns.
    tile
        Rows copied at once: they stay in the cache while they are turned.
    room
        Work space, uint8 [M] and of the scores' type [columns + 1, M].
    out
        [columns, L, 2].
    """
    rows, width = len(scores), len(sample)
    mask, block = room
    for start in range(0, rows, tile):
        end = min(start + tile, rows)
        for c in range(width):
            for j in range(start, end):
                block[c, j] = scores[j, first + c]
    for c in range(width):
        statistics(block[c], sample[c], places, (mask, block[width]), out[c])


turned_statistics = compiled(_turned, exact=True)

# -- the anchor -----------------------------------------------------------------------------------


def _kernel(x: np.ndarray, threshold: float, width: float, out: np.ndarray) -> float:
    """Write a kernel at each score of a class, and return its sum."""
    square, total = width * width, 0.0
    for j in range(x.size):
        away = x[j] - threshold
        share = width / (square + away * away)
        out[j] = share * share
        total += out[j]
    return total


def _kernel_row(
    x: np.ndarray, threshold: np.ndarray, width: np.ndarray, total: np.ndarray, out: np.ndarray
) -> None:
    """Do so for the scores of a row, each of another class."""
    for c in range(x.size):
        away = x[c] - threshold[c]
        share = width[c] / (width[c] * width[c] + away * away)
        out[c] = share * share
        total[c] += out[c]


def _times(out: np.ndarray, factor: float) -> None:
    for j in range(out.size):
        out[j] *= factor


def _times_row(out: np.ndarray, factor: np.ndarray) -> None:
    for c in range(out.size):
        out[c] *= factor[c]


_fill_kernel, _fill_row = compiled(_kernel), compiled(_kernel_row)
_scale, _scale_row = compiled(_times), compiled(_times_row)


def _gradient(
    scores: np.ndarray,
    anchor: tuple[np.ndarray, np.ndarray],
    slopes: tuple[np.ndarray, np.ndarray, np.ndarray],
    upstream: np.ndarray,
    least: float,
    part: tuple[int, int],
    out: np.ndarray,
) -> None:
    """Write the gradient of the anchored losses of some neighbouring classes.

    Parameters
    ----------
    scores
        Of the live rows, [live, C].
    anchor
        Threshold and width of each class, of the scores' type, [C].
    slopes
        Flat place and class of each positive among them, and its derivative, [E].
    upstream
        Gradient by each class's loss, [C].
    least
        What the sum of the kernel over the negatives is taken for, at least.
    part
        First class, and the end.
    out
        Takes the gradient, [live, C].
    """
    threshold, width = anchor
    place, column, slope = slopes
    first, end = part
    rows, classes = scores.shape
    total, force = np.zeros(classes), np.zeros(classes)
    factor = np.empty(classes, out.dtype)
    flat = out.ravel()
    if classes == 1:
        total[0] = _fill_kernel(scores.ravel(), threshold[0], width[0], flat)
    else:
        here = slice(first, end)
        for j in range(rows):
            _fill_row(scores[j, here], threshold[here], width[here], total[here], out[j, here])
    for k in range(place.size):
        c = column[k]
        if first <= c < end:
            total[c] -= flat[place[k]]
            force[c] += slope[k] * upstream[c]
    for c in range(first, end):
        factor[c] = -force[c] / max(total[c], least)
    if classes == 1:
        _scale(flat, factor[0])
    else:
        for j in range(rows):
            _scale_row(out[j, here], factor[here])
    for k in range(place.size):
        if first <= column[k] < end:
            flat[place[k]] = slope[k] * upstream[column[k]]


gradient = compiled(_gradient)


def _widths(scores: np.ndarray, step: int, tau: np.ndarray, share: float, out: np.ndarray) -> None:
    """Write the larger of a temperature and a share of the deviation of every `step`-th score, [C]."""
    rows, classes = scores.shape
    total, square = np.zeros(classes), np.zeros(classes)
    count = 0
    for j in range(0, rows, step):
        count += 1
        for c in range(classes):
            away = np.float64(scores[j, c]) - scores[0, c]
            total[c] += away
            square[c] += away * away
    for c in range(classes):
        mean = total[c] / count
        spread = share * np.sqrt(max(square[c] / count - mean * mean, 0.0))
        out[c] = spread if tau[c] < spread < np.inf else tau[c]


widths = compiled(_widths)

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
