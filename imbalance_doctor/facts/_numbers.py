"""Arithmetic in which the unknown stays unknown and nothing infinite comes out."""

from __future__ import annotations

import math


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
