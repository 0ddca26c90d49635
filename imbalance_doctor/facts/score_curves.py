"""Curves of a score dump, made to be drawn: histograms, reliability, ROC and precision against recall.

They are those of the class in focus (see `imbalance_doctor.facts.scores`). Two passes read them from a dump
of any length: the first takes an even sample of each class, from which the edges of the histograms and the
thresholds of the curves are chosen; the second counts every row against them. Each point of a curve is
therefore exact; only where the points lie follows the sample.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts._numbers import ratio, wilson
from imbalance_doctor.facts._ranking import LIMIT
from imbalance_doctor.facts._score_columns import Column, column
from imbalance_doctor.facts._score_tally import Tally
from imbalance_doctor.facts.base import Evidence, Facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS = 60
"""Bins of the histograms."""
_SAMPLE = 1 << 16  # rows of each class
_DECADES, _PER_DECADE, _RECALLS = 6, 10, 41
_HIGH_RATES = tuple(rate / 20 for rate in range(3, 21))
_TAIL = 0.001  # share of each class that may lie outside the range of the histograms on either side
_MARGIN = 0.25
_FARTHEST = 1e300  # so that the range of the bins stays finite
_S = ("scores",)


@dataclass(frozen=True, kw_only=True)
class ScoreCurves:
    """Facts for pictures of a score dump; vectors of one curve have one length."""

    after: ClassVar[tuple[str, ...]] = ("scores",)

    score_edges: tuple[float, ...] | None = described(
        "edges of the histograms' bins; the bins at the ends also count the rows beyond them",
        unit="logit",
        needs=_S,
    )
    positive_counts: tuple[int, ...] | None = described(
        "positives per bin of the scores", unit="rows", needs=_S
    )
    negative_counts: tuple[int, ...] | None = described(
        "negatives per bin of the scores", unit="rows", needs=_S
    )

    reliability_probability: tuple[float | None, ...] | None = described(
        "mean probability of the class in focus per bin of the calibration error", unit="share", needs=_S
    )
    reliability_rows: tuple[int, ...] | None = described("rows of those bins", unit="rows", needs=_S)
    reliability_share: tuple[float | None, ...] | None = described(
        "share of positives in those bins", unit="share", needs=_S
    )
    reliability_low: tuple[float | None, ...] | None = described(
        "lower ends of the 95 % intervals of those shares (Wilson)", unit="share", needs=_S
    )
    reliability_high: tuple[float | None, ...] | None = described(
        "upper ends of the 95 % intervals of those shares", unit="share", needs=_S
    )

    false_positive_rate: tuple[float, ...] | None = described(
        "false positive rate at about a hundred thresholds, the highest first", unit="share", needs=_S
    )
    recall: tuple[float, ...] | None = described("recall at those thresholds", unit="share", needs=_S)
    precision: tuple[float, ...] | None = described("precision at those thresholds", unit="share", needs=_S)

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the dump; None without one. Curves that need a class without a row are None."""
        scores = facts.family("scores")
        if evidence.scores is None or scores is None:
            return None
        found: dict[str, Any] = {spec.name: None for spec in fields(cls)}
        if scores.positives or scores.negatives:
            focus = _focus(scores.kind, scores.class_rows)
            one = column(evidence.scores, 0 if scores.kind == "binary" else focus, LIMIT)
            found |= _curves(one, scores.positives, scores.negatives, (scores.lowest, scores.highest))
        return cls(**found)


def _focus(kind: str, rows: tuple[float, ...]) -> int:
    """Return the class in focus: the positive one of a binary dump, else the rarest that has a row."""
    if kind == "binary":
        return 1
    return min((index for index, count in enumerate(rows) if count), key=lambda index: rows[index])


def _curves(one: Column, positives: int, negatives: int, ends: tuple[float, float]) -> dict[str, Any]:
    import numpy as np

    samples = [sample for sample in _samples(one, positives, negatives) if len(sample[0])]
    edges = _edges([raw for raw, _ in samples], ends)
    both = positives > 0 and negatives > 0
    thresholds = _thresholds(samples[0][1], samples[1][1]) if both else np.array([-np.inf])
    bins = np.zeros((2, BINS), dtype=np.int64)
    at_least = np.zeros((2, len(thresholds)), dtype=np.int64)
    tally = Tally()
    for part in one.parts():
        tally.add(part)
        for side, flags in enumerate((part.positive, ~part.positive)):
            inside = np.clip(part.raw[flags], edges[0], edges[-1])
            bins[side] += np.histogram(inside, edges)[0]
            reached = np.searchsorted(thresholds, part.ranked[flags], side="right") - 1
            at_least[side] += np.bincount(reached, minlength=len(thresholds))
    found: dict[str, Any] = {
        "score_edges": tuple(edges.tolist()),
        "positive_counts": tuple(bins[0].tolist()),
        "negative_counts": tuple(bins[1].tolist()),
        **_reliability(tally),
    }
    if both:
        hits, alarms = at_least[:, ::-1].cumsum(axis=1)
        found["recall"] = tuple((hits / positives).tolist())
        found["false_positive_rate"] = tuple((alarms / negatives).tolist())
        found["precision"] = tuple((hits / (hits + alarms)).tolist())
    return found


def _samples(
    one: Column, positives: int, negatives: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return every k-th row of the positives, then of the negatives: in logits, and as ranked."""
    import numpy as np

    sides: list[tuple[list[Any], list[Any]]] = [([np.empty(0)], [np.empty(0)]) for _ in range(2)]
    steps = [max(1, -(-rows // _SAMPLE)) for rows in (positives, negatives)]
    seen = [0, 0]
    for part in one.parts():
        for side, flags in enumerate((part.positive, ~part.positive)):
            own = np.flatnonzero(flags)
            taken = own[-seen[side] % steps[side] :: steps[side]]
            sides[side][0].append(part.raw[taken])
            sides[side][1].append(part.ranked[taken])
            seen[side] += len(own)
    return [(np.concatenate(raw), np.concatenate(ranked)) for raw, ranked in sides]


def _edges(samples: list[NDArray[np.float64]], ends: tuple[float, float]) -> NDArray[np.float64]:
    """Return the edges of bins of equal width that a few far scores do not stretch."""
    import numpy as np

    near = [np.quantile(np.clip(raw, -_FARTHEST, _FARTHEST), (_TAIL, 1 - _TAIL)) for raw in samples]
    inner_low, inner_high = min(float(q[0]) for q in near), max(float(q[1]) for q in near)
    margin = _MARGIN * (inner_high - inner_low)
    low, high = max(ends[0], inner_low - margin), min(ends[1], inner_high + margin)
    if low >= high:
        pad = max(0.5, abs(low) * 1e-3)
        low, high = low - pad, low + pad
    return np.linspace(low, high, BINS + 1)


def _thresholds(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return thresholds, ascending, that spread over recall and over the decades of false positive rates.

    The first lies under every row.
    """
    import numpy as np

    rates = np.concatenate([np.logspace(-_DECADES, -1, (_DECADES - 1) * _PER_DECADE + 1), _HIGH_RATES])
    found = np.unique(
        np.concatenate(
            [
                np.quantile(negatives, 1 - rates, method="nearest"),
                np.quantile(positives, np.linspace(0, 1, _RECALLS), method="nearest"),
            ]
        )
    )
    found[0] = -np.inf
    return found


def _reliability(tally: Tally) -> dict[str, Any]:
    """Return what became of the probabilities in each bin; None where a bin has no row."""
    rows = [int(count) for count in tally.bin_rows]
    ends = [
        list(wilson(hits, count)) if count else [None, None]
        for hits, count in zip(tally.bin_positives.tolist(), rows, strict=True)
    ]
    return {
        "reliability_rows": tuple(rows),
        "reliability_probability": tuple(map(ratio, tally.bin_probability.tolist(), rows)),
        "reliability_share": tuple(map(ratio, tally.bin_positives.tolist(), rows)),
        "reliability_low": tuple(low for low, _ in ends),
        "reliability_high": tuple(high for _, high in ends),
    }
