"""Recall above a quantile for a class alone, compiled: value and gradient in one call."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp
from imbalance_doctor.losses._compiled_order import in_order, mix, places_of_ones, statistic
from imbalance_doctor.losses._compiled_recall import spread_of

__all__ = ["fill_rise", "recall"]

_FAR = 700.0  # exp of it is a double


def _rise(score: np.ndarray, threshold: float, tau: float, out: np.ndarray) -> None:
    """Write the sigmoid of each score above the threshold."""
    one = out.dtype.type(1)  # in the scores' type, as the torch form
    for k in range(out.size):
        z = np.float64((score[k] - threshold) / tau)
        out[k] = one / (one + out.dtype.type(exp(min(max(-z, -_FAR), _FAR))))


def _kernel_sum(x: np.ndarray, threshold: float, width: float) -> float:
    """Sum the anchor's kernel over the scores of the class."""
    square, total = width * width, 0.0
    for j in range(x.size):
        away = x[j] - threshold
        share = width / (square + away * away)
        total += share * share
    return total


def _pull(x: np.ndarray, threshold: float, width: float, factor: float, out: np.ndarray) -> None:
    """Write a multiple of the kernel at each score of the class."""
    square = width * width
    for j in range(x.size):
        away = x[j] - threshold
        share = width / (square + away * away)
        out[j] = share * share * factor


fill_rise, _sum_kernel, _fill_pull = compiled(_rise), compiled(_kernel_sum), compiled(_pull)


def _recall(
    scores: np.ndarray,
    targets: np.ndarray,
    each: int,
    weight: np.ndarray,
    rank: tuple[int, int, float],
    shape: tuple[int, float, float, float],
    settings: tuple[float, int, bool],
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """Compute 1 - soft recall above the threshold, and its gradient.

    Parameters
    ----------
    scores
        [M].
    targets
        1 marks a positive, 0 the others, [M].
    each
        Of so many scores one tells where the others lie.
    weight
        Of each row as a positive, [M], or [0] for 1.
    rank
        Lower and upper order statistic, and the share of the upper.
    shape
        Of the anchor: one score in so many is sampled for the deviation; least bandwidth in deviations; the
        factor from bandwidth to width; what the sum of its kernel is taken for, at least.
    settings
        Temperature; rows that receive gradient; whether negatives near the threshold do.
    out
        Takes the loss, NaN without positives of any weight, and its validity, [1]; the gradient, [M], or [0]
        where it is not wanted.

    Returns
    -------
    bool
        False where a score is NaN, or a label neither 0 nor 1.
    """
    (temperature, live, anchored), (lower, upper, between) = settings, rank
    loss, valid, gradient = out
    place = np.empty(scores.size, np.uint32)
    count = places_of_ones(targets, place)
    if count < 0:
        return False
    sample = scores[::each].copy()
    in_order(sample)
    low, high = statistic(scores, sample, lower, upper, np.empty_like(scores))
    if np.isnan(low):
        return False
    tau, theta = scores.dtype.type(temperature), mix(low, high, scores.dtype.type(between))
    place = place[:count]
    score, above, share = (
        np.empty(place.size, scores.dtype),
        np.empty(place.size, scores.dtype),
        np.ones(place.size),
    )
    for k in range(place.size):
        score[k] = scores[place[k]]
        if weight.size:
            share[k] = weight[place[k]]
    fill_rise(score, theta, tau, above)
    mass, caught = share.sum(), (share * above).sum()
    valid[0] = mass > 0
    loss[0] = 1 - caught / mass if mass > 0 else np.nan
    if not gradient.size:
        return True
    share *= above * (above - 1) / (tau * mass if mass > 0 else np.inf)
    taught = np.searchsorted(place, live)
    gradient[live if anchored else 0 :] = 0
    if anchored:
        step, spread, tail, least = shape
        deviation = scores.dtype.type(spread * spread_of(scores, step))
        width = scores.dtype.type(tail) * (deviation if tau < deviation < np.inf else tau)
        total = _sum_kernel(scores[:live], theta, width) - _sum_kernel(score[:taught], theta, width)
        factor = scores.dtype.type(-share[:taught].sum() / max(total, least))
        _fill_pull(scores[:live], theta, width, factor, gradient[:live])
    for k in range(taught):
        gradient[place[k]] = share[k]
    return True


recall = compiled(_recall)
