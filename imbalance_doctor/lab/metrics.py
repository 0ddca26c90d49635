"""Ranking metrics of a few thousand rows, quick enough to be taken every few steps. Ties share their rank."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "average_precision",
    "columns",
    "macro",
    "precision_at_hits",
    "recall_at_quantile",
    "roc_auc",
]

Scores = NDArray[np.float64]
Hits = NDArray[np.bool_]


def average_precision(scores: Scores, hits: Hits) -> float:
    """Return average precision, equal scores as one threshold; NaN without positives.

    The prevalence where a score is not finite.

    >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))
    0.8333...
    """
    if not hits.any():
        return math.nan
    if not np.isfinite(scores).all():
        return float(hits.mean())
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.cumsum(hits[order])[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / found[-1])


def roc_auc(scores: Scores, hits: Hits) -> float:
    """Return the area under the ROC curve, ties one half; NaN without both classes, 0.5 for NaN scores.

    >>> roc_auc(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))
    0.5
    """
    positives, negatives = int(hits.sum()), int((~hits).sum())
    if not positives or not negatives:
        return math.nan
    if not np.isfinite(scores).all():
        return 0.5
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((rank[hits].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def recall_at_quantile(scores: Scores, hits: Hits, quantile: float) -> float:
    """Return the share of positives among the top share of rows.

    >>> recall_at_quantile(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]), 0.34)
    0.5
    """
    if not hits.any():
        return math.nan
    if not np.isfinite(scores).all():
        return 0.0
    top = np.argsort(-scores, kind="stable")[: max(1, int(quantile * len(scores)))]
    return float(hits[top].sum() / hits.sum())


def columns(scores: Scores, labels: NDArray[np.int64]) -> list[tuple[Scores, Hits]]:
    """Return scores [n, C] and labels as one column of scores and hits for each class that has positives.

    Labels are 0 and 1 [n] for a single column, class ids [n], or indicators [n, C].
    """
    wide = scores.reshape(len(scores), -1)
    if wide.shape[1] == 1:
        hits = labels.reshape(len(labels), 1) == 1
    else:
        hits = labels == 1 if labels.ndim > 1 else labels[:, None] == np.arange(wide.shape[1])
    return [(wide[:, c], hits[:, c]) for c in range(wide.shape[1]) if hits[:, c].any()]


def macro(metric: Callable[..., float], scores: Scores, labels: NDArray[np.int64], *rest: float) -> float:
    """Return the mean of a metric over classes that have positives; NaN where none has."""
    values = [metric(column, hits, *rest) for column, hits in columns(scores, labels)]
    return float(np.mean(values)) if values else math.nan


def precision_at_hits(scores: Scores, labels: NDArray[np.int64]) -> list[Scores]:
    """Return the precision at each positive, in the order of the rows, for each class that has positives.

    Their mean is the average precision. A score that is not finite ranks last.
    """
    found = []
    for column, hits in columns(np.nan_to_num(scores, nan=-np.inf, posinf=-np.inf), labels):
        order = np.argsort(-column, kind="stable")
        precision = np.empty(len(column))
        precision[order] = np.cumsum(hits[order]) / np.arange(1, len(column) + 1)
        found.append(precision[hits])
    return found
