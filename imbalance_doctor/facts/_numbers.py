"""Arithmetic in which the unknown stays unknown and nothing infinite comes out."""

from __future__ import annotations

import math
from typing import Any

_Z = 1.959963984540054  # normal quantile of a 95 % interval


def product(*factors: float | None) -> float | None:
    """Multiply; None when a factor is None or the result is not finite."""
    result = 1.0
    for factor in factors:
        if factor is None:
            return None
        result *= factor
    return result if math.isfinite(result) else None


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Divide; None when a side is None, the denominator is 0, or the result is not finite."""
    if numerator is None or not denominator:
        return None
    result = numerator / denominator
    return result if math.isfinite(result) else None


def clamp(value: float, low: float = 0.0, high: float = 1.0) -> float:
    """Return the nearest value inside ``[low, high]``."""
    return min(max(value, low), high)


def wilson(hits: Any, total: int) -> tuple[Any, Any]:
    """Return the ends of the 95 % Wilson score interval of a share, or of many: numbers as well as arrays.

    Parameters
    ----------
    hits
        Times that something came, a number or shape [C].
    total
        Trials; 0 gives the interval from 0 to 1.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    >>> [round(end, 3) for end in wilson(41, 45)]
    [0.793, 0.965]
    """
    if total == 0:
        return hits * 0.0, hits * 0.0 + 1.0
    share = hits / total
    square = _Z * _Z / total
    centre = share + square / 2
    spread = (share * (1 - share) * square + square * square / 4) ** 0.5
    # at the ends the two terms are equal, and only rounding would be left of their difference
    low = (hits > 0) * (centre - spread) / (1 + square)
    high = (hits == total) + (hits < total) * (centre + spread) / (1 + square)
    return low, high
