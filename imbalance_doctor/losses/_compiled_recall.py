"""Recall above a quantile for several classes, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import LANES, compiled, exp, first, not_above, not_below
from imbalance_doctor.losses._compiled_order import LAST, bracket, has_nan, mix, pick

__all__ = ["gradient", "recall", "thresholds"]

_FAR = 700.0  # exp of it is a double

# -- recall above a quantile -----------------------------------------------------------------------


def _deviation(x: np.ndarray, step: int) -> Any:
    """Return the standard deviation of every `step`-th score."""
    total = square = 0.0
    for j in range(0, x.size, step):
        away = np.float64(x[j]) - x[0]
        total += away
        square += away * away
    count = (x.size + step - 1) // step
    return np.sqrt(max(square / count - (total / count) ** 2, 0.0))


def _kernel_sums(x: np.ndarray, threshold: np.ndarray, width: np.ndarray, total: np.ndarray) -> None:
    """Add the kernel of the scores of a row, each of another class."""
    for c in range(x.size):
        away = x[c] - threshold[c]
        share = width[c] / (width[c] * width[c] + away * away)
        total[c] += share * share


spread_of, _add_kernel = compiled(_deviation), compiled(_kernel_sums)


def _lower_row(x: np.ndarray, bound: np.ndarray, count: np.ndarray) -> None:
    """Count the scores of a row that are below the bounds of their classes."""
    for c in range(x.size):
        count[c] += x[c] < bound[c]


_count_row = compiled(_lower_row)


def _keep_columns(
    scores: np.ndarray, low: np.ndarray, high: np.ndarray, kept: np.ndarray, count: np.ndarray
) -> None:
    """Write the scores of each class between its bounds, and any NaN, as far as there is room; count them.

    The scores are compared in the order in which they lie in memory, with the bounds repeated until the
    classes and the lanes come out even.
    """
    rows, classes = scores.shape
    flat, room, even = scores.ravel(), kept.shape[1], 1
    while even * classes % LANES:
        even += 1
    span = even * classes
    lows, highs, column = np.empty(span, low.dtype), np.empty(span, low.dtype), np.empty(span, np.int64)
    for k in range(span):
        column[k] = k % classes
        lows[k], highs[k] = low[column[k]], high[column[k]]
    whole = rows - rows % even
    for base in range(0, whole * classes, span):
        for k in range(0, span, LANES):
            bits = not_below(flat, base + k, lows, k) & not_above(flat, base + k, highs, k)
            while bits:
                place = k + first(bits)
                c = column[place]
                kept[c, min(count[c], room - 1)] = flat[base + place]
                count[c] += 1
                bits &= bits - LAST
    for j in range(whole, rows):
        for c in range(classes):
            if not (scores[j, c] < low[c] or scores[j, c] > high[c]):
                kept[c, min(count[c], room - 1)] = scores[j, c]
                count[c] += 1


_keep_all = compiled(_keep_columns, exact=True)


def _thresholds(
    scores: np.ndarray,
    sample: np.ndarray,
    rank: tuple[int, int, float],
    shape: tuple[int, float, float],
    live: int,
    kept: np.ndarray,
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Find a quantile of each class, and what its anchor needs.

    Parameters
    ----------
    scores
        [M, C].
    sample
        Some rows or all, each class sorted, [C, S].
    rank
        Lower and upper order statistic, and the share of the upper.
    shape
        Of the anchor: one score in so many is sampled for the deviation; least bandwidth in deviations; the
        factor from bandwidth to width.
    live
        Rows ``[0, live)`` are summed over; 0 where the anchor is not wanted.
    kept
        Work space, [C, some].
    out
        Takes the quantile and the sum of the kernel, and holds the temperature where it takes the width, [C].
    """
    lower, upper, between = rank
    step, spread, tail = shape
    theta, width, total = out
    rows, classes = scores.shape
    low, high = np.empty_like(theta), np.empty_like(theta)
    count, below = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for c in range(classes):
        low[c], high[c] = bracket(sample[c], lower / rows, sample.shape[1] == rows)
    _keep_all(scores, low, high, kept, count)
    for j in range(rows):
        _count_row(scores[j], low, below)
    for c in range(classes):
        least, second = lower - below[c], upper - below[c]
        if 0 <= least <= second < count[c] <= kept.shape[1]:
            part = kept[c, : count[c]]
        else:
            part, least, second = scores[:, c].copy(), lower, upper
        if has_nan(part):
            theta[c] = np.nan
            continue
        under, over = pick(part, least, second)
        theta[c] = mix(under, over, theta.dtype.type(between))
        if live > 0:
            deviation = spread * spread_of(scores[:, c], step)
            width[c] = tail * (deviation if width[c] < deviation < np.inf else width[c])
    for j in range(live):
        _add_kernel(scores[j], theta, width, total)


thresholds = compiled(_thresholds, exact=True)


def _rise(
    score: np.ndarray, threshold: np.ndarray, tau: np.ndarray, column: np.ndarray, out: np.ndarray
) -> None:
    """Write the sigmoid of each positive above the threshold of its class."""
    one = out.dtype.type(1)  # in the scores' type, as the torch form
    for k in range(out.size):
        z = np.float64((score[k] - threshold[column[k]]) / tau[column[k]])
        out[k] = one / (one + out.dtype.type(exp(min(max(-z, -_FAR), _FAR))))


_fill_rise = compiled(_rise)


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
    flat, classes = scores.ravel(), scores.shape[1]
    mass, caught = np.zeros(classes), np.zeros(classes)
    score = np.empty_like(slope)
    for k in range(place.size):  # loads that need not wait for each other
        score[k] = flat[place[k]]
    _fill_rise(score, theta, tau, column, slope)
    for k in range(place.size):
        c, above = column[k], slope[k]
        share = weight[k] if weight.size else 1.0
        mass[c] += share
        caught[c] += share * above
        slope[k] = share * above * (above - 1) / tau[c]
        if place[k] < live * classes:
            away = score[k] - theta[c]
            kernel = width[c] / (width[c] * width[c] + away * away)
            total[c] -= kernel * kernel
    for c in range(classes):
        valid[c] = mass[c] > 0
        loss[c] = 1 - caught[c] / mass[c] if valid[c] else np.nan
        mass[c] = 1 / mass[c] if valid[c] else 0.0
    for k in range(place.size):
        slope[k] *= mass[column[k]]


recall = compiled(_recall)

# -- the anchor -----------------------------------------------------------------------------------


def _pull_row(
    x: np.ndarray, threshold: np.ndarray, width: np.ndarray, factor: np.ndarray, out: np.ndarray
) -> None:
    """Write a multiple of the kernel at each score of a row, each of another class."""
    for c in range(x.size):
        away = x[c] - threshold[c]
        share = width[c] / (width[c] * width[c] + away * away)
        out[c] = share * share * factor[c]


_fill_row = compiled(_pull_row)


def _gradient(
    scores: np.ndarray,
    anchor: tuple[np.ndarray, np.ndarray, np.ndarray],
    slopes: tuple[np.ndarray, np.ndarray, np.ndarray],
    upstream: np.ndarray,
    least: float,
    out: np.ndarray,
) -> None:
    """Write the gradient of the anchored losses for the live rows.

    Parameters
    ----------
    scores
        Of the live rows, [live, C].
    anchor
        Threshold and width of each class, of the scores' type, and the sum of the kernel over its live
        negatives, [C].
    slopes
        Flat place and class of each positive among them, and its derivative, [E].
    upstream
        Gradient by each class's loss, [C].
    least
        What the sum of the kernel is taken for, at least.
    out
        Takes the gradient, [live, C].
    """
    threshold, width, total = anchor
    place, column, slope = slopes
    classes = scores.shape[1]
    factor = np.zeros(classes, out.dtype)
    for k in range(place.size):
        factor[column[k]] -= slope[k] * upstream[column[k]]
    for c in range(classes):
        factor[c] /= max(total[c], least)
    for j in range(len(scores)):
        _fill_row(scores[j], threshold, width, factor, out[j])
    flat = out.ravel()
    for k in range(place.size):
        flat[place[k]] = slope[k] * upstream[column[k]]


gradient = compiled(_gradient)
