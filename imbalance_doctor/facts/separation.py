"""How far the scores of positives lie above those of negatives, on training and on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from imbalance_doctor.evidence import Phase, Series, TrainingLog, described
from imbalance_doctor.facts import _curves
from imbalance_doctor.facts._numbers import ratio
from imbalance_doctor.facts._readings import Noted
from imbalance_doctor.facts.base import Evidence, Facts, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_SMOOTH = 3
_MEANS = ("log.score_mean_positive", "log.score_mean_negative")
_NEEDS = (*_MEANS, "log.score_std_positive", "log.score_std_negative", "log.positives")


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Facts of the scores by class.

    The gap is the mean score of positives minus that of negatives. Standard errors are of the difference of
    two gaps, from the spread and the number of positives: sqrt(s1^2 / n1 + s2^2 / n2).
    """

    after: ClassVar[tuple[str, ...]] = ()

    gap: float | None = described(
        "gap on validation rows at the end, in standard deviations of the negatives",
        unit="deviations",
        needs=(*_MEANS, "log.score_std_negative"),
    )
    gap_trained: float | None = described(
        "gap on training rows at the end, in standard deviations of the negatives",
        unit="deviations",
        needs=(*_MEANS, "log.score_std_negative"),
    )
    unfit_errors: float | None = described(
        "largest excess of the gap on validation rows over that on training rows, median of three values",
        unit="standard errors",
        needs=_NEEDS,
    )
    unfit_ratio: float | None = described(
        "gap on validation rows over that on training rows, both in deviations, where that excess is largest",
        unit="times",
        needs=_NEEDS,
    )
    unfit_share: float | None = described(
        "share of the run in which the gap on validation rows is the larger one by two standard errors",
        unit="share",
        needs=_NEEDS,
    )
    overfit_errors: float | None = described(
        "excess of the gap on training rows over that on validation rows at the end",
        unit="standard errors",
        needs=_NEEDS,
    )
    overfit_ratio: float | None = described(
        "gap on training rows over that on validation rows at the end, both in deviations",
        unit="times",
        needs=(*_MEANS, "log.score_std_negative"),
    )
    positives_trained: float | None = described(
        "positives among the training rows that the scores speak of, where their number stays the same, as "
        "that of a batch does not",
        unit="rows",
        needs=("log.positives",),
    )
    positives_compared: float | None = described(
        "training positives that each comparison rests on: of all rows, or of three batches",
        unit="rows",
        needs=("log.positives",),
    )
    positives_validated: float | None = described(
        "positives among the validation rows", unit="rows", needs=("log.positives",)
    )
    prevalence_ratio: float | None = described(
        "prevalence of the training batches over that of the validation rows",
        unit="times",
        needs=("log.prevalence",),
    )

    seen: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)

    @classmethod
    @_curves.unharmed
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:  # noqa: ARG003  of the log alone
        """Measure the separation; None without a log."""
        log = evidence.log
        if log is None:
            return None
        noted = Noted()
        shown, own = _Side.of(log, "val"), _Side.of(log, "train")
        _ends(noted, shown, own)
        _prevalence(noted, log)
        if shown is not None and own is not None:
            _compare(noted, shown, own)
        return cls(**noted.facts, seen=noted.seen)


class _Side(NamedTuple):
    """Scores by class of one phase; what is None is unknown."""

    series: Series
    gap: Values
    negatives_std: Values | None
    positives_std: Values | None
    number: Values | None
    counted: bool
    """Whether the number is of all rows, which stays the same, not of the batch at hand."""

    @classmethod
    def of(cls, log: TrainingLog, phase: Phase) -> Self | None:
        """Gather what a log has of a phase; None without both means."""
        import numpy as np

        def named(name: str) -> Series | None:
            return log.get(name, phase) or (log.get(name, "") if phase == "train" else None)

        positive, negative = named("score_mean_positive"), named("score_mean_negative")
        if positive is None or negative is None:
            return None

        def beside(name: str) -> Values | None:
            series = named(name)
            return None if series is None else _curves.beside(series, positive.order)

        number, batch = beside("positives"), beside("positives_in_batch") if phase == "train" else None
        known = np.empty(0) if number is None else _curves.finite(number)
        counted = (
            len(known) > 0 and np.ptp(known) == 0 and (batch is None or not np.array_equal(known, batch))
        )
        number = batch if number is None else number
        return cls(
            positive,
            positive.values - _curves.beside(negative, positive.order),
            beside("score_std_negative"),
            beside("score_std_positive"),
            number,
            counted,
        )


def _ends(noted: Noted, shown: _Side | None, own: _Side | None) -> None:
    """Note how far apart the classes end up on each side."""
    if shown is not None:
        noted.put(
            (_curves.span(shown.series),),
            gap=ratio(_late(shown.gap), _late(shown.negatives_std)),
            positives_validated=_late(shown.number),
        )
    if own is not None:
        noted.put(
            (_curves.span(own.series),),
            gap_trained=ratio(_late(own.gap), _late(own.negatives_std)),
            positives_trained=_late(own.number) if own.counted else None,
            positives_compared=_compared(own),
        )


def _compared(own: _Side) -> float | None:
    number = None if own.number is None else _curves.median(own.number)
    return number if number is None or own.counted else _SMOOTH * number


def _prevalence(noted: Noted, log: TrainingLog) -> None:
    trained = log.get("prevalence", "train") or log.get("prevalence", "")
    shown = log.get("prevalence", "val")
    if trained is not None and shown is not None:
        noted.put(
            (_curves.span(trained), _curves.span(shown)),
            prevalence_ratio=ratio(_mean(trained.values), _mean(shown.values)),
        )


def _mean(values: Values) -> float | None:
    known = _curves.finite(values)
    return float(known.mean()) if len(known) else None


def _compare(noted: Noted, shown: _Side, own: _Side) -> None:
    """Note which side's gap is the larger one, and how surely."""
    import numpy as np

    spans = (_curves.span(own.series), _curves.span(shown.series))
    at = shown.series.steps
    place = np.searchsorted(own.series.steps, at)
    known = place < len(own.series)
    known[known] = own.series.steps[place[known]] == at[known]
    if not known.any():
        return
    place = place[known]
    ours, theirs = own.gap[place], shown.gap[known]
    if own.negatives_std is None or shown.negatives_std is None:
        return
    wide, wide_shown = (
        np.where(s > 0, s, np.nan) for s in (own.negatives_std[place], shown.negatives_std[known])
    )
    noted.put(spans, overfit_ratio=ratio(_late(ours / wide), _late(theirs / wide_shown)))
    if own.positives_std is None or shown.positives_std is None or own.number is None or shown.number is None:
        return
    with np.errstate(divide="ignore"):  # an error or a gap of 0 leaves a place out
        error = np.sqrt(
            own.positives_std[place] ** 2 / own.number[place]
            + shown.positives_std[known] ** 2 / shown.number[known]
        )
        excess = (theirs - ours) / error
        times = (theirs / wide_shown) / (ours / wide)
    usable = np.isfinite(excess)
    if usable.sum() < _SMOOTH:
        return
    excess, times = excess[usable], times[usable]
    middle = np.median(np.lib.stride_tricks.sliding_window_view(excess, _SMOOTH), axis=-1)
    top = int(middle.argmax())
    noted.put(
        spans,
        unfit_errors=float(middle[top]),
        unfit_ratio=float(np.median(times[top : top + _SMOOTH])),
        unfit_share=float(np.mean(middle >= 2)),  # noqa: PLR2004  two standard errors
        overfit_errors=_late(-excess),
    )


def _late(values: Values | None) -> float | None:
    """Return the median of the last tenth, three values at least."""
    return None if values is None else _curves.median(values[-max(_SMOOTH, len(values) // 10) :])
