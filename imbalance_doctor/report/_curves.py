"""Curves of a training log, made small: which to show, and how they look in a line of text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imbalance_doctor.diagnose import TrainedRun
from imbalance_doctor.evidence import Phase, Series

__all__ = ["Mark", "chosen", "label", "marks", "spark", "underline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_NOT_FINITE = "!"
_USUAL: tuple[tuple[str, Phase], ...] = (
    ("loss", "train"),
    ("loss", ""),
    ("loss", "val"),
    ("average_precision", "val"),
    ("roc_auc", "val"),
    ("recall_at_quantile", "val"),
    ("f1", "val"),
    ("recall", "val"),
    ("dice", "val"),
    ("iou", "val"),
    ("balanced_accuracy", "val"),
    ("accuracy", "val"),
)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A stretch of a curve that a finding speaks of: from `first` to `last` on the run's axis."""

    rule: str
    severity: str
    first: float
    last: float


def marks(run: TrainedRun, series: Series) -> list[Mark]:
    """Return the stretches of one curve that findings speak of, symptoms of others left out."""
    return [
        Mark(rule=f.rule, severity=f.severity, first=span.first, last=span.last)
        for f in run.findings
        if f.rule not in run.explained
        for span in f.seen
        if span.key == series.key
    ]


def label(series: Series) -> str:
    """Name a curve: phase, canonical name, part."""
    return " ".join(filter(None, (series.phase, series.name, series.part)))


def chosen(run: TrainedRun, *, most: int) -> list[Series]:
    """Return the curves to show: loss, the validation metrics, then those that findings speak of."""
    log = run.log
    found: list[Series] = []
    told = _told(run)
    for name, phase in _USUAL:
        series = log.get(name, phase)
        if series is not None and len(series) > 1 and len(found) < max(most // 2, most - len(told)):
            found.append(series)
    for key in told:
        found += [s for s in log.series if s.key == key and s not in found and len(s) > 1]
    return found[:most]


def _told(run: TrainedRun) -> list[str]:
    """Return the keys of the curves that findings speak of, in the order of the findings."""
    keys = (s.key for f in run.findings if f.rule not in run.explained for s in f.seen)
    return list(dict.fromkeys(keys))


def _buckets(series: Series, width: int) -> list[slice]:
    """Cut the values into at most `width` runs of like size."""
    count = len(series)
    width = min(width, count)
    return [slice(i * count // width, (i + 1) * count // width) for i in range(width)]


_ROUNDING = 1e-12


def spark(series: Series, width: int) -> str:
    """Draw a curve in one line of at most `width` characters: means of runs, non-finite ones as ``!``."""
    import numpy as np

    means = []
    for bucket in _buckets(series, width):
        values = series.values[bucket]
        means.append(float((values / len(values)).sum()) if np.isfinite(values).all() else math.nan)
    finite = [m for m in means if math.isfinite(m)]
    if not finite:
        return _NOT_FINITE * len(means)
    low, high = _window(finite)
    span = high / 2 - low / 2  # halves: the range of doubles has no double
    if span <= _ROUNDING * max(abs(low), abs(high)):
        span = 0.0  # the means of a constant differ in their last digits
    top = len(_BLOCKS) - 1
    return "".join(
        _NOT_FINITE
        if not math.isfinite(m)
        else _BLOCKS[0 if span == 0 else max(0, min(top, round((m / 2 - low / 2) / span * top)))]
        for m in means
    )


def _window(values: Sequence[float]) -> tuple[float, float]:
    """Return the range to draw: that of all values, unless a few huge ones would flatten the rest."""
    ranked = sorted(values)
    low, high = ranked[0], ranked[-1]
    inner_low, inner_high = ranked[len(ranked) // 20], ranked[-1 - len(ranked) // 20]
    if inner_high > inner_low and high / 2 - low / 2 > 10 * (inner_high - inner_low):
        return inner_low, inner_high
    return low, high


def underline(series: Series, width: int, stretches: Iterable[Mark]) -> str:
    """Draw ``^`` under the characters of `spark` that lie in one of the stretches."""
    stretches = list(stretches)
    drawn = []
    for bucket in _buckets(series, width):
        first, last = series.steps[bucket.start], series.steps[bucket.stop - 1]
        drawn.append("^" if any(m.first <= last and first <= m.last for m in stretches) else " ")
    return "".join(drawn).rstrip()
