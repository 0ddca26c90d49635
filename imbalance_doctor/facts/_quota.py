"""What the quota sampler behind ``max_pool_size`` keeps.

Of a pool of M rows it keeps K: first ``quota = max(1, K // (2 C))`` rows of each of the C classes in
the pool (or all of a class that has fewer), then a uniform draw from the rest. So a class with n_c rows
keeps ``r_c + (K - R) (n_c - r_c) / (M - R)`` of them on average, with ``r_c = min(n_c, quota)`` and R the
sum of the r_c. Where K is so small that the quotas alone exceed it, a uniform draw of K reserved rows
stays.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Kept(NamedTuple):
    """What stays of each class, on average.

    Attributes
    ----------
    rows
        Kept rows per class. float64, the shape of the counts.
    quota
        Rows reserved per class, shape of the counts without the last axis.
    reserved
        Rows reserved of all classes together, same shape.
    """

    rows: NDArray[np.float64]
    quota: NDArray[np.float64]
    reserved: NDArray[np.float64]


def kept(counts: NDArray[np.float64], cap: int, observed: NDArray[np.float64]) -> Kept:
    """Return what the quota sampler keeps of a pool larger than `cap`.

    Exact for given counts; for expected counts the average over pools is met within the spread of
    the counts around the quota.

    Parameters
    ----------
    counts
        Rows of the pool per class, shape [..., C]; each last axis sums to more than `cap`.
    cap
        ``max_pool_size``.
    observed
        Classes that the pool holds, shape [...].
    """
    import numpy as np

    quota = np.maximum(1.0, cap // (2.0 * observed))
    reserved = np.minimum(counts, quota[..., None])
    total = reserved.sum(axis=-1)
    crowded = total >= cap
    rest = np.maximum(counts.sum(axis=-1) - total, 1e-300)  # 0 only where crowded, and unused there
    fill = np.where(crowded, 0.0, cap - total) / rest
    rows = np.where(
        crowded[..., None],
        reserved * (cap / np.maximum(total, cap))[..., None],
        reserved + fill[..., None] * (counts - reserved),
    )
    return Kept(rows, quota, total)


def expected_classes(shares: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
    """Return how many classes a pool of `rows` rows holds on average, rounded; shape [..., C] to [...]."""
    import numpy as np

    absent = np.exp(rows * np.log1p(-shares.clip(0.0, 1 - 1e-12)))
    return np.asarray(np.maximum(1.0, np.rint((1 - absent).sum(axis=-1))))


def none_kept(pooled: float, stay: float, live: float) -> float:
    """Probability that none of `live` rows is among `stay` kept at random of `pooled`.

    ``C(pooled - live, stay) / C(pooled, stay)``, continued to real numbers by the gamma function.
    """
    left = pooled - stay - live
    if stay <= 0 or live <= 0:
        return 1.0
    if left <= -1:
        return 0.0
    log_ratio = (
        math.lgamma(pooled - live + 1)
        - math.lgamma(left + 1)
        - math.lgamma(pooled + 1)
        + math.lgamma(pooled - stay + 1)
    )
    return min(1.0, math.exp(min(0.0, log_ratio)))


def none_kept_of_some(prevalence: float, rows: float, survival: float) -> float:
    """Probability that no live positive survives, given that the live rows hold at least one.

    With the live positives binomial and each kept with probability `survival`:
    ``((1 - p s)^B - (1 - p)^B) / (1 - (1 - p)^B)``.

    Parameters
    ----------
    prevalence, rows
        Of the live rows.
    survival
        Share of the pooled positives that the sampler keeps.
    """
    if prevalence <= 0 or rows <= 0 or survival >= 1:
        return 0.0
    if prevalence >= 1:
        return math.exp(rows * math.log1p(-survival))
    log_absent = rows * math.log1p(-prevalence)
    log_lost = rows * math.log1p(-prevalence * survival)
    some = -math.expm1(log_absent)
    # exp(lost) - exp(absent) without cancellation where both are near 1
    return min(1.0, -math.exp(log_lost) * math.expm1(log_absent - log_lost) / some)
