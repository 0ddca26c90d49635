"""Intervals of 95 % around what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from imbalance_doctor.facts._numbers import wilson
from imbalance_doctor.lab._student import student

__all__ = ["cosine", "mean", "proportion", "ratio", "rough", "spread"]

_NORMAL = 1.96


def mean(name: str, values: ArrayLike) -> dict[str, float]:
    """Return the mean of independent draws and its interval by Student's t; of one draw everything.

    Parameters
    ----------
    name
        Of the figure.
    values
        Floating [n], n > 0.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 1:
        return {name: float(x[0]), f"{name}_low": float(x[0]) - 1e9, f"{name}_high": float(x[0]) + 1e9}
    middle, half = float(x.mean()), student(x.size - 1) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return {name: middle, f"{name}_low": middle - half, f"{name}_high": middle + half}


def proportion(name: str, hits: int, draws: int) -> dict[str, float]:
    """Return hits / draws and its interval after Wilson (1927)."""
    low, high = wilson(hits, draws)
    return {name: hits / draws, f"{name}_low": low, f"{name}_high": high}


def spread(name: str, values: ArrayLike, unit: float = 1.0) -> dict[str, float]:
    """Return the standard deviation of draws over `unit`, and its interval, as if they were normal."""
    x = np.asarray(values, dtype=np.float64)
    return rough(name, float(x.std(ddof=1)) / unit, _NORMAL / math.sqrt(2 * (x.size - 1)))


def rough(name: str, value: float, relative: float) -> dict[str, float]:
    """Return a positive figure with an interval of so many times itself to either side."""
    return {name: value, f"{name}_low": value / (1 + relative), f"{name}_high": value * (1 + relative)}


def ratio(name: str, upper: Sequence[float], lower: Sequence[float]) -> dict[str, float]:
    """Return the ratio of two standard deviations over their means, and its interval."""
    a, b = (float(np.std(x, ddof=1) / np.mean(x)) for x in (upper, lower))
    error = _NORMAL * math.sqrt(1 / (2 * (len(upper) - 1)) + 1 / (2 * (len(lower) - 1)))
    return rough(name, a / b, error)


def cosine(a: ArrayLike, b: ArrayLike) -> float:
    """Return the cosine of the angle between two vectors; 0 where one is 0."""
    x, y = np.asarray(a, dtype=np.float64).ravel(), np.asarray(b, dtype=np.float64).ravel()
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / size if size else 0.0
