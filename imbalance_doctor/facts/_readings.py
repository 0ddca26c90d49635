"""Which series of a training log stand for the loss and the metric, whatever the log calls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from imbalance_doctor.evidence import Phase, Series, TrainingLog

if TYPE_CHECKING:
    from imbalance_doctor.facts.base import Span

METRICS = (
    "average_precision",
    "partial_auc",
    "recall_at_quantile",
    "f1",
    "mcc",
    "dice",
    "iou",
    "roc_auc",
    "balanced_accuracy",
    "foreground_accuracy",
    "accuracy",
)
"""Metrics of which more is better, those that see a rare class best first."""

OF_RARE_CLASSES = (*METRICS[:10], "recall", "precision", "false_positive_rate", "specificity")
"""Metrics that can show a rare class failing, also without values per class."""


COURSE = 5
"""Values that show a course."""


class Noted:
    """Facts found so far, and where each was seen."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.seen: dict[str, tuple[Span, ...]] = {}

    def put(self, spans: Iterable[Span] = (), /, **facts: Any) -> None:
        """Note facts that were all seen in the same places."""
        self.facts |= facts
        spans = tuple(spans)
        if spans:
            self.seen |= dict.fromkeys(facts, spans)


def training_loss(log: TrainingLog) -> Series | None:
    """Return the training loss: the whole, its mean over rows, or the sum of its terms."""
    return (
        log.get("loss", "train")
        or log.get("loss", "")
        or log.get("loss_mean", "train")
        or log.get("loss_mean", "")
        or _combined(log, "loss_component", "train", total=True)
    )


def validation_loss(log: TrainingLog) -> Series | None:
    """Return the validation loss: the log loss where it is logged, as it means the same in every phase."""
    return (
        log.get("bce", "val") or log.get("loss", "val") or _combined(log, "loss_component", "val", total=True)
    )


def metric(log: TrainingLog, phase: Phase = "val", *, names: Iterable[str] = METRICS) -> Series | None:
    """Return the metric that sees a rare class best; of values per class, their mean.

    One that has hardly any values stands back behind one that shows a course.
    """
    found = []
    for name in names:
        both = (log.get(name, phase), _combined(log, name, phase, total=False))
        series = max((s for s in both if s is not None), key=len, default=None)
        if series is not None:
            found.append(series)
    courses = (series for series in found if len(series) >= COURSE)
    return next(courses, max(found, key=len, default=None))


def _combined(log: TrainingLog, name: str, phase: Phase, *, total: bool) -> Series | None:
    """Return the sum or mean of the parts that stand in the same records as the longest one."""
    import numpy as np

    parts = [s for s in log.all(name, phase) if s.part and not s.part.startswith("rank")]
    if not parts:
        return None
    longest = max(parts, key=len)
    parts = [s for s in parts if np.array_equal(s.order, longest.order)]
    stack = np.array([s.values for s in parts])
    known = np.isfinite(stack)
    summed = np.where(known, stack, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    values = np.where(count, summed if total else summed / np.maximum(count, 1), np.nan)
    if total:
        values = np.where(count == len(parts), values, np.nan)
    return Series(
        key=", ".join(s.key for s in parts[:3]) + (", …" if len(parts) > 3 else ""),  # noqa: PLR2004
        name=name,
        phase=phase,
        steps=longest.steps,
        values=values,
        order=longest.order,
        lines=longest.lines,
    )


def hint(hints: Mapping[str, float], name: str) -> float | None:
    """Return a number stated in the log when it is positive."""
    value = hints.get(name)
    return value if value is not None and value > 0 else None
