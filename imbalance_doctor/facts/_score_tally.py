"""Sums over the rows of one class of a score dump: calibration, answers, shape, drift."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imbalance_doctor.facts._score_columns import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS = 15
"""Bins of equal width of the calibration error."""
_TINY = 1e-300


def _zeros(count: int) -> NDArray[np.float64]:
    import numpy as np

    return np.zeros(count)


@dataclass
class Moments:
    """Number, mean, central sums of powers 2 to 4, and range of values that arrive in blocks.

    References
    ----------
    P. Pebay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
    statistical moments", Sandia report SAND2008-6212.
    """

    rows: int = 0
    mean: float = 0.0
    second: float = 0.0
    third: float = 0.0
    fourth: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: NDArray[np.float64]) -> None:
        """Add a block of finite values."""
        import numpy as np

        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):  # of absurdly large scores nothing is known
            mean = float(values.mean())
            apart = values - mean
            squares = apart * apart
            block = Moments(
                len(values),
                mean,
                float(squares.sum()),
                float((squares * apart).sum()),
                float((squares * squares).sum()),
                float(values.min()),
                float(values.max()),
            )
        self.merge(block)

    def merge(self, other: Moments) -> None:
        """Add what another has seen."""
        import numpy as np

        if not other.rows:
            return
        a, b = self.rows, other.rows
        n = a + b
        with np.errstate(over="ignore", invalid="ignore"):
            d = np.float64(other.mean) - self.mean
            step = d / n
            fourth = (
                self.fourth
                + other.fourth
                + d * step**3 * a * b * (a * a - a * b + b * b)
                + 6 * step**2 * (a * a * other.second + b * b * self.second)
                + 4 * step * (a * other.third - b * self.third)
            )
            third = (
                self.third
                + other.third
                + d * step**2 * a * b * (a - b)
                + 3 * step * (a * other.second - b * self.second)
            )
            second = self.second + other.second + d * step * a * b
            mean = self.mean + step * b
        self.fourth, self.third, self.second, self.mean = (
            float(fourth),
            float(third),
            float(second),
            float(mean),
        )
        self.rows = n
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    @property
    def std(self) -> float | None:
        """Standard deviation (of the rows themselves, ddof 0); None without rows, or where it overflows."""
        return math.sqrt(self.second / self.rows) if self.rows and math.isfinite(self.second) else None

    @property
    def bimodality(self) -> float | None:
        """Sarle's coefficient ``(skewness^2 + 1) / kurtosis``: 1/3 normal, 5/9 uniform, 1 two points.

        None where all values are equal.
        """
        if not (_TINY < self.second < math.inf and _TINY < self.fourth < math.inf):
            return None
        n = self.rows
        skewness = math.sqrt(n) * self.third / self.second**1.5
        kurtosis = n * self.fourth / self.second**2
        value = (skewness * skewness + 1) / kurtosis
        return value if math.isfinite(value) else None


@dataclass
class Tally:
    """What one pass over the rows of a class gives.

    Attributes
    ----------
    scores, negative_scores, positive_scores
        Moments of the scores in logits.
    hits, alarms
        Rows rightly and wrongly called positive.
    squares, log_losses
        Sum of the Brier scores, of the log losses in nats.
    bin_rows, bin_probability, bin_positives
        Rows, summed probability and positives of each bin of probability.
    sure_positive, sure_negative
        Summed probability of the own class over the labelled positives, and over the negatives.
    """

    scores: Moments = field(default_factory=Moments)
    positive_scores: Moments = field(default_factory=Moments)
    negative_scores: Moments = field(default_factory=Moments)
    positives: int = 0
    negatives: int = 0
    hits: int = 0
    alarms: int = 0
    squares: float = 0.0
    log_losses: float = 0.0
    bin_rows: NDArray[np.float64] = field(default_factory=lambda: _zeros(BINS))
    bin_probability: NDArray[np.float64] = field(default_factory=lambda: _zeros(BINS))
    bin_positives: NDArray[np.float64] = field(default_factory=lambda: _zeros(BINS))
    sure_positive: float = 0.0
    sure_negative: float = 0.0

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Tally:
        """Add up all parts."""
        tally = cls()
        for part in parts:
            tally.add(part)
        return tally

    @property
    def rows(self) -> int:
        """Rows of both classes."""
        return self.positives + self.negatives

    def add(self, part: Part) -> None:
        """Add some rows."""
        import numpy as np

        positive, p = part.positive, part.probability
        self.scores.add(part.raw)
        self.positive_scores.add(part.raw[positive])
        self.negative_scores.add(part.raw[~positive])
        rows, positives = len(p), int(positive.sum())
        self.positives += positives
        self.negatives += rows - positives
        self.hits += int((part.called & positive).sum())
        self.alarms += int((part.called & ~positive).sum())
        self.squares += float(((p - positive) ** 2).sum())
        self.log_losses += float(np.logaddexp(0.0, np.where(positive, -part.margin, part.margin)).sum())
        bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
        self.bin_rows += np.bincount(bins, minlength=BINS)
        self.bin_probability += np.bincount(bins, weights=p, minlength=BINS)
        self.bin_positives += np.bincount(bins[positive], minlength=BINS)
        self.sure_positive += float(p[positive].sum())
        self.sure_negative += float((1 - p[~positive]).sum())

    def calibration_error(self) -> tuple[float, float] | None:
        """Return the expected calibration error, and that without what sampling adds to it.

        The plain error is positive for a perfectly calibrated model too, since the share of positives in
        a bin scatters. Of the squared gaps, that scatter is known without bias: the binomial variance of
        each bin (a bin with a single row is all scatter). The plain error is shrunk by the root of what
        is left of them. Of a calibrated model a part of it stays on average, for a root is never
        negative.

        References
        ----------
        A. Kumar, P. Liang and T. Ma, "Verified uncertainty calibration", NeurIPS 2019.
        """
        if not self.rows:
            return None
        plain = squared = scatter = 0.0
        for rows, summed, positives in zip(
            self.bin_rows.tolist(), self.bin_probability.tolist(), self.bin_positives.tolist(), strict=True
        ):
            if not rows:
                continue
            share = positives / rows
            gap = abs(summed / rows - share)
            plain += rows / self.rows * gap
            squared += rows / self.rows * gap * gap
            variance = share * (1 - share) / (rows - 1) if rows > 1 else gap * gap
            scatter += rows / self.rows * variance
        left = max(0.0, 1 - scatter / squared) if squared else 0.0
        return plain, plain * math.sqrt(left)


@dataclass
class Course:
    """Mean score of the negatives over the steps, in at most `most` bins of equal width."""

    width: int = 1
    most: int = 1 << 16
    bins: dict[int, tuple[int, float]] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Add the negatives of some rows; those without a step are passed over."""
        import numpy as np

        if part.step is None:
            return
        negative = ~part.positive
        place, where = np.unique(part.step[negative] // self.width, return_inverse=True)
        rows = np.bincount(where, minlength=len(place)).tolist()
        sums = np.bincount(where, weights=part.raw[negative], minlength=len(place)).tolist()
        for at, count, total in zip(place.tolist(), rows, sums, strict=True):
            self._count(at, count, total)
        while len(self.bins) > self.most:
            old, self.bins = self.bins, {}
            self.width *= 2
            for at, (count, total) in old.items():
                self._count(at // 2, count, total)

    def _count(self, at: int, count: int, total: float) -> None:
        before = self.bins.get(at, (0, 0.0))
        self.bins[at] = (before[0] + count, before[1] + total)

    def shifts(self, steps: float, std: float) -> list[tuple[float, float]]:
        """Return how far the mean moves from one stretch of `steps` to the next, in standard deviations.

        Each with its standard error if nothing moved. Empty where the stretches are shorter than the bins
        or fewer than two.
        """
        per = round(steps / self.width)
        if per < 1 or not std:
            return []
        stretches: dict[int, tuple[int, float]] = {}
        for at, (count, total) in self.bins.items():
            before = stretches.get(at // per, (0, 0.0))
            stretches[at // per] = (before[0] + count, before[1] + total)
        found = []
        for at in sorted(stretches):
            if at + 1 in stretches:
                (rows, total), (more, later) = stretches[at], stretches[at + 1]
                found.append(((later / more - total / rows) / std, math.sqrt(1 / rows + 1 / more)))
        return found
