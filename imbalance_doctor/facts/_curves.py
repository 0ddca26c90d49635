"""Robust statistics of the curves of a training log, and how two curves are laid side by side.

Medians throughout: a log holds spikes, restarts and values that are not finite, and none of them may decide
alone. Long curves are reduced to medians of neighbours before their points are compared in pairs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from imbalance_doctor.facts.base import Span

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imbalance_doctor.evidence import Series

    Values = NDArray[np.float64]
    Orders = NDArray[np.int64]
    Flags = NDArray[np.bool_]

POINTS = 200
"""Medians a long curve is reduced to before its points are compared in pairs."""

_EXACT = 1e-4
_COINCIDENCE = 1e-3
NORMAL = 1.4826
"""Standard deviation of a normal variable over its median absolute deviation."""


class Course(NamedTuple):
    """The course of a series without its noise.

    Attributes
    ----------
    series
        What it was taken from.
    values
        Its finite values, or medians of neighbours where there are more than `POINTS`. float64 [N].
    level
        Running median of `values` over about a tenth of the curve, three at least; of fewer than six values,
        the values themselves. float64 [K].
    at
        Index into the series of the middle of each level. int64 [K].
    """

    series: Series
    values: Values
    level: Values
    at: NDArray[np.int64]

    @property
    def start(self) -> float:
        """The first level."""
        return float(self.level[0])

    @property
    def end(self) -> float:
        """The last level."""
        return float(self.level[-1])

    @property
    def highest(self) -> int:
        """Index of the highest level."""
        return int(self.level.argmax())

    @property
    def lowest(self) -> int:
        """Index of the lowest level."""
        return int(self.level.argmin())

    def after(self, index: int) -> Values:
        """Return the values from the middle of a level on."""
        first = index + (len(self.values) - len(self.level)) // 2
        return self.values[first:]


class Trend(NamedTuple):
    """How steadily a curve rises.

    Attributes
    ----------
    tau
        Kendall's rank correlation with time: 1 rises throughout, -1 falls throughout.
    z
        The same in standard deviations of a curve without a trend (Mann and Kendall, corrected for ties).
    """

    tau: float
    z: float


def unharmed(measure: Callable[P, R]) -> Callable[P, R]:
    """Let overflows end as infinities and NaN, which facts leave out, instead of warnings on the screen."""

    @functools.wraps(measure)
    def call(*given: P.args, **named: P.kwargs) -> R:
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            return measure(*given, **named)

    return call


def finite(values: Values) -> Values:
    """Return the finite values, in order."""
    import numpy as np

    kept: Values = values[np.isfinite(values)]
    return kept


def reduced(values: Values, points: int = POINTS) -> Values:
    """Return at most `points` medians of neighbouring finite values, groups as equal as possible.

    >>> import numpy as np
    >>> reduced(np.array([1.0, 9.0, 2.0, 4.0, np.nan, 6.0]), 2).tolist()
    [5.0, 4.0]
    """
    import numpy as np

    values = finite(values)
    if len(values) <= points:
        return values
    ends = np.arange(points + 1) * len(values) // points
    sizes = np.diff(ends)
    medians = np.empty(points)
    # Groups differ in size by one at most: two medians of a table cost less than one for each group.
    for size in {int(sizes.min()), int(sizes.max())}:
        groups = np.flatnonzero(sizes == size)
        medians[groups] = np.median(values[ends[groups, np.newaxis] + np.arange(size)], axis=1)
    return medians


def course(series: Series) -> Course | None:
    """Return the course of a series; None where no value is finite."""
    import numpy as np

    places = np.flatnonzero(np.isfinite(series.values))
    count = len(places)
    if not count:
        return None
    if count > POINTS:
        ends = np.arange(POINTS + 1) * count // POINTS
        places = places[(ends[:-1] + ends[1:]) // 2]
    values = reduced(series.values)
    width = 2 * max(1, len(values) // 20) + 1 if len(values) >= 6 else 1  # noqa: PLR2004
    level = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=-1)
    half = width // 2
    return Course(series, values, level, places[half : len(values) - half])


def median(values: Values) -> float | None:
    """Return the median of the finite values; None where there is none."""
    import numpy as np

    values = finite(values)
    return float(np.median(values)) if len(values) else None


def spread(values: Values) -> float | None:
    """Return the standard deviation as the median absolute deviation tells it; None below two values."""
    import numpy as np

    values = finite(values)
    if len(values) < 2:  # noqa: PLR2004
        return None
    return NORMAL * float(np.median(np.abs(values - np.median(values))))


def noise(values: Values) -> float | None:
    """Return the standard deviation of a curve around its own course; None below four finite values.

    Taken from second differences, which a straight course leaves at zero; those of independent noise have six
    times its variance.

    >>> import numpy as np
    >>> noise(np.arange(10.0))
    0.0
    """
    import numpy as np

    values = finite(values)
    if len(values) < 4:  # noqa: PLR2004
        return None
    return NORMAL * float(np.median(np.abs(np.diff(values, 2)))) / math.sqrt(6)


def roughness(values: Values) -> float | None:
    """Return the standard deviation of a curve around its own course by the mean instead of the median.

    More careful than `noise` where values repeat or are few: it is 0 on a straight line alone.

    >>> import numpy as np
    >>> roughness(np.array([1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0])) > 0.3
    True
    """
    import numpy as np

    values = finite(values)
    if len(values) < 4:  # noqa: PLR2004
        return None
    return math.sqrt(math.pi / 12) * float(np.mean(np.abs(np.diff(values, 2))))


def part(values: Values, start: float, stop: float = 1.0) -> Values:
    """Return the values between two shares of the curve's length, at least one.

    >>> import numpy as np
    >>> part(np.arange(9.0), 2 / 3).tolist()
    [6.0, 7.0, 8.0]
    """
    count = len(values)
    first = min(round(start * count), max(count - 1, 0))
    return values[first : max(round(stop * count), first + 1)]


def trend(values: Values) -> Trend | None:
    """Return how steadily a curve rises or falls; None below four finite values."""
    import numpy as np

    points = reduced(values)
    count = len(points)
    if count < 4:  # noqa: PLR2004
        return None
    rises = float(np.sign(points[np.newaxis, :] - points[:, np.newaxis])[np.triu_indices(count, 1)].sum())
    pairs = count * (count - 1) / 2
    ties = np.unique(points, return_counts=True)[1].astype(np.float64)
    variance = (
        count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())
    ) / 18
    corrected = math.copysign(max(abs(rises) - 1, 0), rises)
    return Trend(tau=rises / pairs, z=corrected / math.sqrt(variance) if variance > 0 else 0.0)


def slope(steps: Values, values: Values) -> float | None:
    """Return the median slope of all pairs of points (Theil and Sen); None where no two steps differ."""
    import numpy as np

    kept = np.isfinite(values) & np.isfinite(steps)
    x, y = reduced(steps[kept]), reduced(values[kept])
    run = (x[np.newaxis, :] - x[:, np.newaxis])[np.triu_indices(len(x), 1)]
    rise = (y[np.newaxis, :] - y[:, np.newaxis])[np.triu_indices(len(x), 1)]
    return float(np.median(rise[run > 0] / run[run > 0])) if (run > 0).any() else None


def straightness(level: Values) -> float | None:
    """Return how much of its mean pace a curve keeps in its last third; None where it ends as it began.

    >>> import numpy as np
    >>> straightness(np.array([4.0, 3.0, 2.0, 1.0]))
    1.0
    >>> straightness(np.array([4.0, 2.0, 1.0, 1.0]))
    0.0
    """
    count = len(level) - 1
    fall = float(level[0] - level[-1])
    if count < 3 or not 0 < abs(fall) < math.inf:  # noqa: PLR2004  a third of fewer steps is none
        return None
    first = round(count * 2 / 3)
    return float(level[first] - level[-1]) / (count - first) / (fall / count)


def settled(values: Values, within: float) -> int:
    """Return the index from which the curve stays within a distance of its end.

    The end is the median of the last tenth. Values that are not finite count as away.

    >>> import numpy as np
    >>> settled(np.array([9.0, 5.0, 1.1, 0.9, 1.0]), 0.2)
    2
    """
    import numpy as np

    end = median(part(values, 0.9))
    if end is None:
        return len(values)
    away = np.flatnonzero(~(np.abs(values - end) <= within))
    return int(away[-1]) + 1 if len(away) else 0


def near(values: Values, level: float, within: float) -> float:
    """Return the share of the values within a distance of a level; values that are not finite are not.

    Raises
    ------
    ValueError
        If there are no values.
    """
    import numpy as np

    if not len(values):
        raise ValueError("values: expected at least one, but got none")
    return float(np.mean(np.abs(values - level) <= within))


def denominator(values: Values, *, exact: bool = False, most: int = 2000) -> int | None:
    """Return the smallest number that all values are whole fractions of.

    Parameters
    ----------
    values
        Shares of a whole, as logged.
    exact
        They are known not to be rounded.
    most
        Largest number to consider.

    Returns
    -------
    int or None
            None for fewer than two different shares between 0 and 1, where there is no such number, and where
        rounding to some decimals explains the values about as well.

    Examples
    --------
    >>> import numpy as np
    >>> denominator(np.array([3, 5, 9]) / 17)
    17
    """
    import numpy as np

    shares = np.unique(values[(values > 0) & (values < 1)])[:POINTS]
    if len(shares) < 2:  # noqa: PLR2004
        return None
    numbers = np.arange(2, most + 1)
    parts = shares[np.newaxis, :] * numbers[:, np.newaxis]
    fits = (np.abs(parts - np.round(parts)) < _EXACT).all(axis=1)
    if not fits.any():
        return None
    found = int(numbers[fits.argmax()])
    digits = None if exact else decimals(shares)
    return found if digits is None or (found / 10**digits) ** len(shares) < _COINCIDENCE else None


def decimals(values: Values) -> int | None:
    """Return the number of decimals that the finite values are rounded to; None for more than six."""
    import numpy as np

    values = finite(values)
    for digits in range(7):
        scaled = values * 10**digits
        if (np.abs(scaled - np.round(scaled)) < _EXACT).all():
            return digits
    return None


def spikes(values: Values, height: float) -> NDArray[np.int64]:
    """Return where single values stand out from both neighbours.

    Parameters
    ----------
    values
        The curve. Those that are not finite are left out.
    height
        Distance from the higher neighbour, in standard deviations of the noise.

    Returns
    -------
    ndarray
        int64, indices into `values`, rising. Empty where the curve has no noise to measure by.
    """
    import numpy as np

    at = np.flatnonzero(np.isfinite(values))
    y = values[at]
    scale = noise(y)
    if not scale:
        return np.zeros(0, dtype=np.int64)
    above = y[1:-1] - np.maximum(y[:-2], y[2:]) > height * scale
    found: NDArray[np.int64] = at[1:-1][above]
    return found


def beside(series: Series, order: NDArray[np.int64]) -> Values:
    """Return the value a series last had at each of some log records; NaN before its first.

    Parameters
    ----------
    order
        Record numbers, int64 [N].

    Returns
    -------
    ndarray
        float64 [N].
    """
    import numpy as np

    at = np.searchsorted(series.order, order, side="right") - 1
    return np.where(at < 0, np.nan, series.values[np.maximum(at, 0)])


def span(series: Series, first: int = 0, last: int = -1) -> Span:
    """Return where a part of a series lies, by index of its first and last value."""
    return Span(
        key=series.key,
        first=float(series.steps[first]),
        last=float(series.steps[last]),
        first_line=int(series.lines[first]),
        last_line=int(series.lines[last]),
    )
