"""Exact figures of an order over more rows than memory holds.

The values are met in ascending order, a few million rows at a time: each is mapped to an unsigned key that
sorts as it does, a first pass counts the keys by their top 16 bits, and each further pass collects and
sorts the rows of as many neighbouring counts as fit. Where a single count holds too many rows, its next 16
bits are counted in turn; rows that agree in all 64 bits are one value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIMIT = 1 << 22
"""Rows sorted at a time."""
_DIGIT = 16
_Z = 1.959963984540054  # two-sided 95 %

Chunks = Callable[[], Iterator[tuple["NDArray[np.float64]", "NDArray[np.bool_]"]]]
"""Yields all rows anew on each call: finite values, and which of them are positives."""
Whose = Literal["all", "positive", "negative"]


@dataclass(frozen=True, eq=False)
class Run:
    """Neighbouring distinct values, ascending, with the rows that have them.

    Attributes
    ----------
    values
        float64 [n].
    positives, negatives
        Rows of each value, int64 [n].
    below
        Rows, of both classes, under the first value.
    """

    values: NDArray[np.float64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    below: int

    def slices(self, size: int = 1 << 18) -> Iterator[Run]:
        """Yield the run in pieces of at most `size` values; nothing where it is empty."""
        below = self.below
        for start in range(0, len(self.values), size):
            cut = slice(start, start + size)
            yield Run(self.values[cut], self.positives[cut], self.negatives[cut], below)
            below += int(self.positives[cut].sum() + self.negatives[cut].sum())


def sorted_runs(chunks: Chunks, *, limit: int = LIMIT, wanted: Sequence[int] | None = None) -> Iterator[Run]:
    """Yield all distinct values in ascending order.

    Parameters
    ----------
    limit
        Rows that may be held at a time; a chunk itself comes on top.
    wanted
        Ranks (0 is the lowest row) that matter: where there are more than `limit` rows, runs without any
        of them are left out.
    """
    held = _held(chunks, limit)
    if held is not None:
        yield _run(*held, 0)
    else:
        yield from _refined(chunks, 0, 64 - _DIGIT, 0, limit, wanted)


def _held(chunks: Chunks, limit: int) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]] | None:
    values: list[NDArray[np.float64]] = []
    positive: list[NDArray[np.bool_]] = []
    rows = 0
    for chunk, flags in chunks():
        rows += len(chunk)
        if rows > limit:
            return None
        values.append(chunk)
        positive.append(flags)
    return values, positive


def _run(values: list[NDArray[np.float64]], positive: list[NDArray[np.bool_]], below: int) -> Run:
    import numpy as np

    every = np.concatenate(values) if values else np.empty(0)
    flags = np.concatenate(positive) if positive else np.empty(0, dtype=bool)
    distinct, rows = np.unique(every, return_counts=True)
    common = int(flags.sum()) > len(flags) // 2  # the rarer class is looked up
    looked_up, times = np.unique(every[~flags if common else flags], return_counts=True)
    fewer = np.zeros(len(distinct), dtype=np.int64)
    fewer[np.searchsorted(distinct, looked_up)] = times
    return Run(distinct, rows - fewer if common else fewer, fewer if common else rows - fewer, below)


def _keys(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Map doubles to unsigned integers of the same order; both zeros are one."""
    import numpy as np

    bits = (values + 0.0).view(np.uint64)
    flip = np.where(bits >> np.uint64(63), np.uint64(2**64 - 1), np.uint64(2**63))
    return np.asarray(bits ^ flip)


def _refined(
    chunks: Chunks, first: int, shift: int, below: int, limit: int, wanted: Sequence[int] | None
) -> Iterator[Run]:
    """Yield the runs of the keys from `first` on that differ from it in the bits under `shift` + 16."""
    import numpy as np

    counts = np.zeros(1 << _DIGIT, dtype=np.int64)
    for values, _ in _within(chunks, first, first + (1 << (shift + _DIGIT)) - 1):
        digits = (_keys(values) >> np.uint64(shift)) & np.uint64((1 << _DIGIT) - 1)
        counts += np.bincount(digits.astype(np.int64), minlength=len(counts))
    for start, stop, rows in _groups(counts, limit):
        if wanted is None or any(below <= rank < below + rows for rank in wanted):
            low = first + (start << shift)
            if rows > limit and shift:
                yield from _refined(chunks, low, shift - _DIGIT, below, limit, wanted)
            elif rows > limit:
                yield _one_value(chunks, low, below)
            else:
                parts = list(_within(chunks, low, first + (stop << shift) - 1))
                yield _run([v for v, _ in parts], [p for _, p in parts], below)
        below += rows


def _groups(counts: NDArray[np.int64], limit: int) -> Iterator[tuple[int, int, int]]:
    """Yield neighbouring buckets that hold at most `limit` rows together; a larger one stands alone."""
    import numpy as np

    start, rows = 0, 0
    for bucket in np.flatnonzero(counts).tolist():
        more = int(counts[bucket])
        if rows and rows + more > limit:
            yield start, bucket, rows
            rows = 0
        if not rows:
            start = bucket
        rows += more
        stop = bucket + 1
    if rows:
        yield start, stop, rows


def _within(chunks: Chunks, low: int, high: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    import numpy as np

    for values, positive in chunks():
        keys = _keys(values)
        inside = (keys >= np.uint64(low)) & (keys <= np.uint64(high))
        yield values[inside], positive[inside]


def _one_value(chunks: Chunks, key: int, below: int) -> Run:
    import numpy as np

    value, rows, positives = math.nan, 0, 0
    for values, positive in _within(chunks, key, key):
        if len(values):
            value = float(values[0])
        rows += len(values)
        positives += int(positive.sum())
    return Run(np.array([value]), np.array([positives]), np.array([rows - positives]), below)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Figures of one class against the rest; None where a class has no row.

    Attributes
    ----------
    roc_auc, roc_auc_low, roc_auc_high
        Ties count one half; 95 % interval by DeLong.
    average_precision
        Step-wise, equal scores as one threshold, as scikit-learn has it.
    partial_auc
        Mean true positive rate over the band of false positive rates.
    recall_at_quantile
        Share of positives among the top rows; rows that tie at the cut count in proportion.
    ties_share
        Share of rows whose score another row has too.
    at
        Value at each rank that was asked for.
    """

    roc_auc: float | None = None
    roc_auc_low: float | None = None
    roc_auc_high: float | None = None
    average_precision: float | None = None
    partial_auc: float | None = None
    recall_at_quantile: float | None = None
    ties_share: float | None = None
    at: Mapping[tuple[Whose, int], float] = field(default_factory=dict)


@dataclass
class _Spread:
    """Mean and squared deviations of weighted values, run by run (Chan, Golub and LeVeque)."""

    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: NDArray[np.float64], weights: NDArray[np.int64]) -> None:
        rows = int(weights.sum())
        if not rows:
            return
        mean = float((values * weights).sum() / rows)
        squares = float((weights * (values - mean) ** 2).sum())
        total = self.rows + rows
        apart = mean - self.mean
        self.squares += squares + apart * apart * self.rows * rows / total
        self.mean += apart * rows / total
        self.rows = total

    @property
    def variance_of_mean(self) -> float:
        return self.squares / (self.rows - 1) / self.rows


class _Side:
    """The sums that make up the figures of one class, run by run in any order."""

    def __init__(self, positives: int, negatives: int, band: tuple[float, float], top: int) -> None:
        self.positives, self.negatives = positives, negatives
        self._band, self._top = band, top
        self._precision: list[float] = []
        self._area: list[float] = []
        self._found: list[float] = []

    def add(
        self,
        positives: NDArray[np.int64],
        negatives: NDArray[np.int64],
        over: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> None:
        """Add values: their positives and negatives, and those ranked above each."""
        import numpy as np

        pos_over, neg_over = over
        if not self.positives:
            return
        hits, alarms = pos_over + positives, neg_over + negatives
        self._precision.append(float((positives / self.positives * hits / (hits + alarms)).sum()))
        here = positives + negatives
        taken = np.clip(self._top - (pos_over + neg_over), 0, here)
        self._found.append(float((positives * (taken / here)).sum()))
        if self.negatives:
            fpr = neg_over / self.negatives, alarms / self.negatives
            tpr = pos_over / self.positives, hits / self.positives
            self._area.append(_area(fpr, tpr, self._band))

    def figures(self) -> dict[str, Any]:
        """Return the figures by their name in `Ranking`."""
        some, both = self.positives > 0, self.positives > 0 and self.negatives > 0
        width = self._band[1] - self._band[0]
        return {
            "average_precision": math.fsum(self._precision) if some else None,
            "partial_auc": math.fsum(self._area) / width if both else None,
            "recall_at_quantile": math.fsum(self._found) / self.positives if some else None,
        }


def rank(
    chunks: Chunks,
    *,
    positives: int,
    negatives: int,
    band: tuple[float, float],
    top: int,
    wanted: Sequence[tuple[Whose, int]] = (),
    limit: int = LIMIT,
) -> tuple[Ranking, Ranking]:
    """Sweep once over the values in ascending order.

    Parameters
    ----------
    positives, negatives
        Rows of each class.
    band
        Lowest and highest false positive rate of the partial AUC.
    top
        Rows of the highest scores that recall counts in.
    wanted
        Ranks to read the values of, within all rows or one class; 0 is the lowest.

    Returns
    -------
    of the positives
        As the scores rank them.
    of the negatives
        As the scores turned round rank those.

    References
    ----------
    E. DeLong, D. DeLong and D. Clarke-Pearson, "Comparing the areas under two or more correlated receiver
    operating characteristic curves", Biometrics 1988.
    """
    import numpy as np

    both = positives > 0 and negatives > 0
    of_positives, of_negatives = _Spread(), _Spread()
    side, other = _Side(positives, negatives, band, top), _Side(negatives, positives, band, top)
    tied = pos_below = neg_below = 0
    at: dict[tuple[Whose, int], float] = {}
    for whole in sorted_runs(chunks, limit=limit):
        for run in whole.slices():
            pos_after = np.cumsum(run.positives) + pos_below
            neg_after = np.cumsum(run.negatives) + neg_below
            _read(at, wanted, run, (pos_below, neg_below), (pos_after, neg_after))
            over = positives - pos_after, negatives - neg_after
            side.add(run.positives, run.negatives, over)
            other.add(run.negatives, run.positives, (neg_after - run.negatives, pos_after - run.positives))
            if both:
                of_positives.add((neg_after - run.negatives / 2) / negatives, run.positives)
                of_negatives.add((over[0] + run.positives / 2) / positives, run.negatives)
            here = run.positives + run.negatives
            tied += int(here[here > 1].sum())
            pos_below, neg_below = int(pos_after[-1]), int(neg_after[-1])
    low, high = _delong(of_positives, of_negatives) if both else (None, None)
    shared: dict[str, Any] = {
        "roc_auc": of_positives.mean if both else None,
        "roc_auc_low": low,
        "roc_auc_high": high,
        "ties_share": tied / (positives + negatives) if positives + negatives else None,
        "at": at,
    }
    return Ranking(**shared, **side.figures()), Ranking(**shared, **other.figures())


def _read(
    at: dict[tuple[Whose, int], float],
    wanted: Sequence[tuple[Whose, int]],
    run: Run,
    below: tuple[int, int],
    after: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Read the values of the ranks that lie in this run."""
    for whose, place in wanted:
        ends = {"all": after[0] + after[1], "positive": after[0], "negative": after[1]}[whose]
        start = {"all": sum(below), "positive": below[0], "negative": below[1]}[whose]
        if len(ends) and start <= place < ends[-1]:
            at[whose, place] = float(run.values[ends.searchsorted(place, side="right")])


def _area(
    fpr: tuple[NDArray[np.float64], NDArray[np.float64]],
    tpr: tuple[NDArray[np.float64], NDArray[np.float64]],
    band: tuple[float, float],
) -> float:
    """Return the area under the straight pieces of the ROC curve inside the band."""
    import numpy as np

    left, right = np.maximum(fpr[0], band[0]), np.minimum(fpr[1], band[1])
    inside = right > left
    start, end = fpr[0][inside], fpr[1][inside]
    low, high = tpr[0][inside], tpr[1][inside]
    left, right = left[inside], right[inside]
    middle = ((left - start) + (right - start)) / 2 / (end - start)
    return float(((right - left) * (low + middle * (high - low))).sum())


def _delong(of_positives: _Spread, of_negatives: _Spread) -> tuple[float | None, float | None]:
    """Return the ends of the 95 % interval.

    Where the classes do not overlap at all the variance is 0, which says nothing: the interval is then that
    of as many trials without a failure as the smaller class has rows (Wilson).
    """
    fewer = min(of_positives.rows, of_negatives.rows)
    if fewer < 2:  # noqa: PLR2004  no spread of a single row
        return None, None
    area = of_positives.mean
    half = _Z * math.sqrt(of_positives.variance_of_mean + of_negatives.variance_of_mean)
    if area in (0.0, 1.0):
        reach = _Z * _Z / (fewer + _Z * _Z)
        return (1 - reach, 1.0) if area else (0.0, reach)
    return max(0.0, area - half), min(1.0, area + half)


def higher(rows: int, share: float) -> int:
    """Return the rank of a quantile that lies on a row, the upper one of two; -1 without rows."""
    return math.ceil((rows - 1) * share - 1e-9) if rows else -1


def quantile_ranks(rows: int, share: float) -> tuple[int, int, float]:
    """Return the two ranks that a linear quantile lies between, and the weight of the upper one."""
    place = (rows - 1) * share
    lower = math.floor(place)
    return lower, min(lower + 1, rows - 1), place - lower


def quantiles(chunks: Chunks, rows: int, shares: Sequence[float], limit: int = LIMIT) -> list[float]:
    """Return linear quantiles of all values, as `numpy.quantile` does; `rows` must be positive."""
    import numpy as np

    places = [quantile_ranks(rows, share) for share in shares]
    ranks = sorted({rank for lower, upper, _ in places for rank in (lower, upper)})
    at: dict[int, float] = {}
    for run in sorted_runs(chunks, limit=limit, wanted=ranks):
        ends = np.cumsum(run.positives + run.negatives) + run.below
        for place in ranks:
            if len(ends) and run.below <= place < ends[-1]:
                at[place] = float(run.values[ends.searchsorted(place, side="right")])
    return [at[lower] + weight * (at[upper] - at[lower]) for lower, upper, weight in places]
