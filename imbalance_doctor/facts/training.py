"""What the curves of a training log show: loss, validation metrics, gradient norm, learning rate."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from imbalance_doctor.evidence import Series, TrainingLog, described
from imbalance_doctor.facts import _curves, _readings
from imbalance_doctor.facts._numbers import product, ratio
from imbalance_doctor.facts._readings import Noted
from imbalance_doctor.facts.base import Evidence, Facts, Span

SPIKE = 10
"""Standard deviations of the noise by which a spike stands out: no height that noise reaches by chance."""

_NOT_FINITE = re.compile(r"\b(nan|infinite|inf|floatingpointerror)\b|not finite|non-finite", re.IGNORECASE)
_STOPPED = re.compile(r"signal|SIGTERM|SIGINT|KeyboardInterrupt|cancel|time ?limit|preempt", re.IGNORECASE)

_LOSS = ("log.loss",)
_GRADIENT = ("log.gradient_norm",)
_METRIC = ("log.average_precision",)
_CLIPPED = 1e-9
_DIGITS = 9
_NEARLY = 0.05
_RANKED = 0.6
_SOME = 3
_FEW_NEGATIVES = 0.1


@dataclass(frozen=True, kw_only=True)
class Training:
    """Facts of the curves every log has.

    Levels are running medians over a tenth of the curve. "Bars" are standard deviations of the values around
    the curve's own course: how much the curve moves from one value to the next for no reason.
    """

    after: ClassVar[tuple[str, ...]] = ("labels", "chance")

    loss_points: int | None = described("values of the training loss", unit="values", needs=("log",))
    validation_points: int | None = described(
        "values of the validation series that has most of them", unit="values", needs=("log",)
    )
    crash: str | None = described("exception or signal that ended the run", needs=("log",))
    crash_kind: str | None = described(
        "what ended the run: its loss was not finite, a signal or the user stopped it, or another exception",
        needs=("log",),
        choices=("none", "not finite", "stopped", "exception"),
    )
    rare_class_metric: bool | None = described(
        "a metric that can show the rare class failing is logged on validation data", needs=("log",)
    )

    loss_bad_share: float | None = described(
        "share of the training losses that are not finite", unit="share", needs=_LOSS
    )
    loss_bad_at: float | None = described(
        "place of the first loss that is not finite, 0 at the first value and 1 at the last",
        unit="share",
        needs=_LOSS,
    )
    loss_bad_after: float | None = described(
        "share of the losses from the first that is not finite on that are not", unit="share", needs=_LOSS
    )
    loss_jump_before_bad: float | None = described(
        "largest of the three losses before the first that is not finite, over the median of those before",
        needs=_LOSS,
    )
    gradient_bad_share: float | None = described(
        "share of the gradient norms that are not finite", unit="share", needs=_GRADIENT
    )
    gradient_bad_after: float | None = described(
        "share of the gradient norms from the first that is not finite on that are not",
        unit="share",
        needs=_GRADIENT,
    )
    loss_hidden_bad_share: float | None = described(
        "share of the records whose loss is exactly 0 while the gradient norm is not finite",
        unit="share",
        needs=(*_LOSS, *_GRADIENT),
    )

    loss_start: float | None = described("level of the training loss at the start", needs=_LOSS)
    loss_end: float | None = described("level of the training loss at the end", needs=_LOSS)
    loss_left: float | None = described(
        "level of the training loss at the end over that at the start, where both are positive", needs=_LOSS
    )
    loss_range: float | None = described(
        "highest minus lowest level of the training loss, over its median size", needs=_LOSS
    )
    loss_fall_bars: float | None = described(
        "fall of the training loss from its start to its end in bars", needs=_LOSS
    )
    loss_late_trend: float | None = described(
        "trend of the training loss in the last third, in deviations of a curve without one", needs=_LOSS
    )
    loss_rise: float | None = described(
        "rise of the training loss from its lowest level to its end, over the lowest, where that is positive",
        needs=_LOSS,
    )
    loss_rise_trend: float | None = described(
        "trend of the training loss after its lowest level, in deviations of a curve without one", needs=_LOSS
    )
    loss_steps_up: float | None = described(
        "largest share of the loss's rise after its lowest level that happens in one step of its course",
        unit="share",
        needs=_LOSS,
    )
    loss_spikes: int | None = described(
        f"training losses that stand {SPIKE} deviations above both neighbours", unit="values", needs=_LOSS
    )
    loss_highest_spike: float | None = described("largest of these over its higher neighbour", needs=_LOSS)
    uniform_classes: int | None = described(
        "number of classes whose uniform prediction explains the loss: ln K, and an accuracy of 1 / K where "
        "accuracy is logged",
        unit="classes",
        needs=_LOSS,
    )
    uniform_share: float | None = described(
        "share of the loss levels within 1 % of ln K for these classes", unit="share", needs=_LOSS
    )
    loss_per_error: float | None = described(
        "median loss over error rate (1 - accuracy)", unit="nats", needs=(*_LOSS, "log.accuracy")
    )
    prior_entropy_ratio: float | None = described(
        "validation loss at the end over the entropy of guessing by the validation accuracy",
        needs=(*_LOSS, "log.accuracy"),
    )

    validation_loss_left: float | None = described(
        "level of the validation loss at the end over that at the start, where both are positive", needs=_LOSS
    )
    validation_loss_tau: float | None = described(
        "how steadily the validation loss rises: Kendall's rank correlation with time, -1 where it falls "
        "throughout",
        needs=_LOSS,
    )
    validation_loss_straightness: float | None = described(
        "change of the validation loss in the last third over a third of its whole change: 1 for a straight "
        "line, 0 for a plateau",
        needs=_LOSS,
    )
    validation_loss_step_up: float | None = described(
        "largest share of the validation loss's rise after its lowest level that happens in one step of its "
        "course",
        unit="share",
        needs=_LOSS,
    )
    validation_loss_rise: float | None = described(
        "rise of the validation loss from its lowest level to its end, over the lowest, where positive",
        needs=_LOSS,
    )
    validation_loss_rise_bars: float | None = described("the same rise in bars", needs=_LOSS)
    validation_loss_rise_trend: float | None = described(
        "trend of the validation loss after its lowest level, in deviations of a curve without one",
        needs=_LOSS,
    )
    validation_loss_best_at: float | None = described(
        "place of the lowest validation loss, 0 at the first value and 1 at the last",
        unit="share",
        needs=_LOSS,
    )
    validation_loss_wobble: float | None = described(
        "standard deviation of the validation losses around their course, over their median size", needs=_LOSS
    )
    validation_loss_end: float | None = described("level of the validation loss at the end", needs=_LOSS)
    validation_log_loss_end: float | None = described(
        "level at the end of a validation loss that is a log loss, by its name or beside ranks",
        unit="nats",
        needs=("log.bce",),
    )
    validation_log_loss_start: float | None = described(
        "its level at the start", unit="nats", needs=("log.bce",)
    )
    loss_over_validation: float | None = described(
        "median of the training losses over that of the validation log losses, in the first half of the run",
        needs=("log.bce", "log.loss"),
    )
    validation_log_loss_peak: float | None = described(
        "its highest single value", unit="nats", needs=("log.bce",)
    )
    prior_loss_ratio: float | None = described(
        "its level at the end over the log loss of always answering the prevalence",
        needs=("log.bce", "log.prevalence"),
    )
    validation_loss_bad_share: float | None = described(
        "share of the validation losses that are not finite", unit="share", needs=_LOSS
    )
    loss_left_since_best: float | None = described(
        "training loss at the end over that at the lowest validation loss, where both are positive",
        needs=_LOSS,
    )
    metric_gain_since_best: float | None = described(
        "change of the validation metric since the lowest validation loss", needs=(*_LOSS, *_METRIC)
    )

    metric: str | None = described(
        "validation metric that the facts speak of, as the log spells it", needs=_METRIC
    )
    metric_kind: str | None = described(
        "its canonical name", needs=_METRIC, choices=(*_readings.METRICS, "recall", "precision")
    )
    metric_points: int | None = described("its values", unit="values", needs=_METRIC)
    metric_start: float | None = described("its level at the start", needs=_METRIC)
    metric_end: float | None = described("its level at the end", needs=_METRIC)
    metric_best: float | None = described("its highest level", needs=_METRIC)
    metric_best_at: float | None = described(
        "place of its highest level, 0 at the first value and 1 at the last", unit="share", needs=_METRIC
    )
    metric_over_chance: float | None = described(
        "its level at the end over that of random scores, where that is known: 0.5 for ROC AUC, the "
        "prevalence for average precision",
        unit="times",
        needs=(*_METRIC, "log.prevalence"),
    )
    metric_drop: float | None = described("fall from its highest level to its end", needs=_METRIC)
    metric_drop_share: float | None = described(
        "the same over its highest level above chance", unit="share", needs=_METRIC
    )
    metric_drop_bars: float | None = described("the same in bars", needs=_METRIC)
    metric_drop_deviations: float | None = described(
        "the same over the deviation that a single positive gives a metric at its highest level m: "
        "sqrt(m (1 - m))",
        needs=_METRIC,
    )
    metric_drop_errors: float | None = described(
        "the same over the sampling error, that deviation over the root of the positives",
        needs=(*_METRIC, "log.recall"),
    )
    validation_positives: int | None = described(
        "positives of the validation data: as logged, or the smallest number of which all its recalls are "
        "fractions",
        unit="rows",
        needs=("log.positives",),
    )
    metric_drop_trend: float | None = described(
        "trend after its highest level, in deviations of a curve without one", needs=_METRIC
    )
    loss_left_since_metric_best: float | None = described(
        "training loss at the end over that at the highest level of the metric, where both are positive",
        needs=(*_LOSS, *_METRIC),
    )
    metric_late_trend: float | None = described(
        "trend in the last third, in deviations of a curve without one", needs=_METRIC
    )
    metric_late_gain: float | None = described(
        "level at the end minus level at two thirds of the run", needs=_METRIC
    )
    metric_gain: float | None = described("level at the end minus level at the start", needs=_METRIC)
    metric_gain_bars: float | None = described("the same in bars", needs=_METRIC)
    metric_settled_at: float | None = described(
        "place from which its level stays within 5 % of its range, or two bars, of its end; 0 at the first "
        "value and 1 at the last",
        unit="share",
        needs=_METRIC,
    )
    metric_bar: float | None = described(
        "standard deviation of its values around their course", needs=_METRIC
    )
    metric_repeats: float | None = described(
        "share of its values that equal the commonest one", unit="share", needs=_METRIC
    )
    metric_late_repeats: float | None = described(
        "share of the values of its later half that equal the commonest of them", needs=_METRIC
    )
    roc_auc_end: float | None = described(
        "level of the validation ROC AUC at the end", needs=("log.roc_auc",)
    )
    roc_auc_best: float | None = described("highest level of the validation ROC AUC", needs=("log.roc_auc",))
    roc_auc_late_trend: float | None = described(
        "trend of the validation ROC AUC in the last third, in deviations of a curve without one",
        needs=("log.roc_auc",),
    )
    roc_auc_repeats: float | None = described(
        "share of the validation ROC AUC's values that equal the commonest one",
        unit="share",
        needs=("log.roc_auc",),
    )
    accuracy_end: float | None = described(
        "level of the validation accuracy at the end", unit="share", needs=("log.accuracy",)
    )
    recall_points: int | None = described(
        "values of the validation recall", unit="values", needs=("log.recall",)
    )
    recall_zero_share: float | None = described(
        "share of the later half of the validation recalls that are exactly 0",
        unit="share",
        needs=("log.recall",),
    )
    all_positive_share: float | None = described(
        "share of the later half of the evaluations with a recall of 1 and a precision within 0.1 of the "
        "accuracy, so that nearly every sample was called positive",
        unit="share",
        needs=("log.recall", "log.precision", "log.accuracy"),
    )
    classes_logged: int | None = described(
        "classes with a validation metric of their own", unit="classes", needs=_METRIC
    )
    classes_at_zero: int | None = described(
        "of these, those at exactly 0 through the last third", unit="classes", needs=_METRIC
    )
    classes_median: float | None = described("median of their levels at the end", needs=_METRIC)
    train_metric_end: float | None = described(
        "level of the same metric on training data at the end", needs=_METRIC
    )
    train_metric_early: float | None = described(
        "share of its rise from its lowest to its highest level that is done at two fifths of the run",
        unit="share",
        needs=_METRIC,
    )
    metric_gap: float | None = described(
        "training minus validation level of the metric at the end", needs=_METRIC
    )

    gradient_zero_share: float | None = described(
        "share of the gradient norms that are exactly 0", unit="share", needs=_GRADIENT
    )
    gradient_growth: float | None = described(
        "median gradient norm of the last tenth over that of the first", needs=_GRADIENT
    )
    gradient_peak: float | None = described("largest gradient norm over the median", needs=_GRADIENT)
    learning_rate_zero_share: float | None = described(
        "share of the learning rates that are exactly 0", unit="share", needs=("log.learning_rate",)
    )
    progress: float | None = described(
        "share of the planned epochs or steps that were done", unit="share", needs=("log",)
    )

    seen: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)

    @classmethod
    @_curves.unharmed
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the curves; None without a log."""
        log = evidence.log
        if log is None:
            return None
        noted = Noted()
        loss = _readings.training_loss(log)
        noted.put(
            loss_points=0 if loss is None else len(loss),
            validation_points=max(
                (len(_curves.finite(s.values)) for s in log.series if s.phase == "val" and not s.part),
                default=0,
            ),
            crash=log.crash or None,
            crash_kind=_crash_kind(log.crash),
            rare_class_metric=_shows_rare_class(log),
            progress=_progress(log),
        )
        metric = _readings.metric(log) or _readings.metric(log, "")
        if loss is not None:
            _losses(noted, loss, log.get("gradient_norm"))
            _witnesses(noted, log, loss)
        labelled = facts.value("labels.prevalence")
        if metric is not None:
            _metric(noted, log, metric, labelled)
            _since_best(noted, loss, metric)
        _validation_loss(noted, log, loss, metric, labelled)
        _constant_answers(noted, log)
        _classes(noted, log)
        _optimiser(noted, log)
        return cls(**noted.facts, seen=noted.seen)


def _shows_rare_class(log: TrainingLog) -> bool:
    names = (*_readings.OF_RARE_CLASSES, "false_positive_rate")
    return any(s.phase != "train" and (s.name in names or _of_class(s)) for s in log.series)


def _of_class(series: Series) -> bool:
    return bool(series.part) and series.name in (*_readings.METRICS, "recall", "precision")


def _crash_kind(crash: str) -> str:
    """Tell apart a loss that is not finite, an interruption from outside, and a failure."""
    if not crash:
        return "none"
    if _NOT_FINITE.search(crash):
        return "not finite"
    return "stopped" if _STOPPED.search(crash) else "exception"


def _progress(log: TrainingLog) -> float | None:
    planned = {"epoch": "planned_epochs", "step": "planned_steps"}.get(log.axis)
    wanted = _readings.hint(log.hints, planned) if planned else None
    done = max((float(s.steps[-1]) for s in log.series), default=0.0)
    return ratio(done, wanted)


def _losses(noted: Noted, loss: Series, gradient: Series | None) -> None:
    """Note what the training loss does."""
    import numpy as np

    whole = (_curves.span(loss),)
    bad = ~np.isfinite(loss.values)
    _bad(noted, loss, bad, "loss")
    if bad.any():
        first = int(bad.argmax())
        noted.put((_curves.span(loss, first),), loss_jump_before_bad=_jump(loss.values[:first]))
    if gradient is not None:
        _hidden(noted, loss, gradient)
    course = _curves.course(loss)
    if course is None:
        return
    level = course.level
    middle = _curves.median(np.abs(level))
    late = _curves.trend(_curves.part(loss.values, 2 / 3))
    noted.put(
        whole,
        loss_start=course.start,
        loss_end=course.end,
        loss_left=ratio(course.end, course.start) if course.start > 0 <= course.end else None,
        loss_range=ratio(float(np.ptp(level)), middle),
        loss_fall_bars=ratio(course.start - course.end, _curves.roughness(course.values)),
    )
    noted.put((_curves.span(loss, -max(len(loss) // 3, 1)),), loss_late_trend=late and late.z)
    lowest = course.lowest
    rise = course.end - float(level[lowest])
    after = _curves.trend(course.after(lowest))
    steps = np.diff(level[lowest:])
    noted.put(
        (_curves.span(loss, int(course.at[lowest])),),
        loss_rise=ratio(rise, float(level[lowest])) if level[lowest] > 0 else None,
        loss_rise_trend=after and after.z,
        loss_steps_up=ratio(float(steps.max()), rise) if len(steps) and rise > 0 else None,
    )
    _spikes(noted, loss)


def _bad(noted: Noted, series: Series, bad: _curves.Flags, name: str) -> None:
    """Note where a series is not finite, and whether it recovers."""
    noted.put((_curves.span(series),), **{f"{name}_bad_share": float(bad.mean())})
    if not bad.any():
        return
    first = int(bad.argmax())
    found = {f"{name}_bad_after": float(bad[first:].mean())}
    if name == "loss":
        found["loss_bad_at"] = first / max(len(series) - 1, 1)
    noted.put((_curves.span(series, first),), **found)


def _jump(before: _curves.Values) -> float | None:
    """Return how far the last three losses before a failure rose above the others."""
    before = _curves.finite(before)
    last, rest = before[-3:], before[:-3]
    usual = _curves.median(rest)
    return ratio(float(last.max()), usual) if usual is not None and usual > 0 else None


def _hidden(noted: Noted, loss: Series, gradient: Series) -> None:
    """Note losses of exactly 0 whose gradient is not finite: a log that replaces NaN by 0."""
    import numpy as np

    beside = _curves.beside(gradient, loss.order)
    known = np.isin(loss.order, gradient.order)
    hidden = known & (loss.values == 0) & ~np.isfinite(beside)
    if known.any():
        at = np.flatnonzero(hidden)
        spans = (_curves.span(loss, int(at[0]), int(at[-1])),) if len(at) else (_curves.span(loss),)
        noted.put(spans, loss_hidden_bad_share=float(hidden.sum() / known.sum()))


def _spikes(noted: Noted, loss: Series) -> None:
    """Note values far above both neighbours."""
    at = _curves.spikes(loss.values, SPIKE)
    spans = tuple(_curves.span(loss, int(i), int(i)) for i in at[:5]) or (_curves.span(loss),)
    heights = [
        height
        for i in at
        if (base := _beside_spike(loss, int(i))) > 0 and (height := ratio(float(loss.values[i]), base))
    ]
    noted.put(spans, loss_spikes=len(at), loss_highest_spike=max(heights, default=None))


def _beside_spike(loss: Series, index: int) -> float:
    """Return the higher of the nearest finite values on both sides."""
    before, after = _curves.finite(loss.values[:index]), _curves.finite(loss.values[index + 1 :])
    return max(float(before[-1]), float(after[0]))


def _witnesses(noted: Noted, log: TrainingLog, loss: Series) -> None:
    """Note closed-form levels of the loss that tell what the model answers."""
    for phase in ("val", "train"):
        series = _readings.validation_loss(log) if phase == "val" else loss
        accuracy = log.get("accuracy", phase) or (log.get("accuracy", "") if phase == "train" else None)
        _uniform(noted, log, series, accuracy)
    accuracy = log.get("accuracy", "train") or log.get("accuracy", "")
    if accuracy is not None:
        _loss_per_error(noted, loss, accuracy)


def _loss_per_error(noted: Noted, loss: Series, accuracy: Series) -> None:
    errors = 1 - _curves.beside(accuracy, loss.order)
    wrong = errors > _CLIPPED
    if wrong.any():
        noted.put((_curves.span(loss),), loss_per_error=_curves.median(loss.values[wrong] / errors[wrong]))


def _uniform(noted: Noted, log: TrainingLog, loss: Series | None, accuracy: Series | None) -> None:
    """Note the number of classes whose uniform prediction explains loss and accuracy."""
    course = None if loss is None else _curves.course(loss)
    right = None if accuracy is None else _curves.course(accuracy)
    if course is None or loss is None:
        return
    ranks = _readings.metric(log, names=("roc_auc",))
    ranked = None if ranks is None else _curves.course(ranks)
    if ranked is not None and ranked.end > _RANKED:
        return
    stated = _readings.hint(log.hints, "num_classes")
    known = [] if stated is None else [round(stated)]
    if right is not None and right.end > 0:
        known.append(round(1 / right.end))
    guessed = round(math.exp(course.end)) if 0 < course.end < math.log(10.5) else 0
    for count in dict.fromkeys([*known, guessed]):
        if count < 2:  # noqa: PLR2004
            continue
        level = math.log(count)
        if right is not None and abs(right.end * count - 1) > 0.25:  # noqa: PLR2004
            continue
        # A guessed count needs more: a loss may rest near some ln K, but not from the start in every batch.
        values = course.level if count in known else loss.values
        if count not in known and abs(course.start - level) > _NEARLY * level:
            continue
        share = _curves.near(values, level, 0.01 * level)
        if share > noted.facts.get("uniform_share", 0):
            noted.put((_curves.span(loss),), uniform_classes=count, uniform_share=share)


def _prevalence(log: TrainingLog, labelled: float | None) -> float | None:
    """Return the share of positives in what the metrics see; None where unknown."""
    for phase in ("val", "train", ""):
        series = log.get("prevalence", phase)
        if series is not None:
            return _curves.median(series.values)
    if labelled is not None:
        return labelled
    positives, negatives = (_readings.hint(log.hints, name) for name in ("positives", "negatives"))
    if positives is not None and negatives is not None:
        return positives / (positives + negatives)
    return _readings.hint(log.hints, "prevalence")


def _metric(noted: Noted, log: TrainingLog, metric: Series, labelled: float | None) -> None:
    """Note the course of the validation metric."""
    import numpy as np

    whole = (_curves.span(metric),)
    noted.put(
        whole,
        metric=metric.key,
        metric_kind=metric.name,
        metric_points=len(metric),
        metric_repeats=_repeats(metric.values),
        metric_late_repeats=_repeats(_curves.part(metric.values, 0.5)),
    )
    course = _curves.course(metric)
    if course is None:
        return
    bar = _curves.roughness(course.values)
    late = _curves.trend(_curves.part(metric.values, 2 / 3))
    noted.put(
        whole,
        metric_start=course.start,
        metric_end=course.end,
        metric_late_gain=course.end - float(course.level[round((len(course.level) - 1) * 2 / 3)]),
        metric_gain=course.end - course.start,
        metric_gain_bars=ratio(course.end - course.start, bar),
        metric_settled_at=_settled_at(course, bar),
        metric_bar=bar,
        metric_late_trend=late and late.z,
    )
    highest = course.highest
    best = float(course.level[highest])
    deviation = math.sqrt(best * (1 - best)) if 0 < best < 1 else None
    deviations = ratio(best - course.end, deviation)
    positives = _validation_positives(log, exact=_curves.decimals(metric.values) is None)
    after = _curves.trend(course.after(highest))
    chance = {"roc_auc": 0.5, "average_precision": _prevalence(log, labelled)}.get(metric.name) or 0.0
    noted.put(
        (_curves.span(metric, int(course.at[highest])),),
        metric_best=best,
        metric_over_chance=ratio(course.end, chance) if chance else None,
        metric_best_at=int(course.at[highest]) / max(len(metric) - 1, 1),
        metric_drop=best - course.end,
        metric_drop_share=ratio(best - course.end, best - chance) if best > chance else None,
        metric_drop_bars=ratio(best - course.end, bar),
        metric_drop_deviations=deviations,
        metric_drop_errors=product(deviations, None if positives is None else math.sqrt(positives)),
        validation_positives=positives,
        metric_drop_trend=after and after.z,
    )
    twin = _readings.metric(log, "train", names=(metric.name,))
    trained = None if twin is None or metric.phase != "val" else _curves.course(twin)
    if trained is not None:
        noted.put(
            (_curves.span(trained.series), *whole),
            train_metric_end=trained.end,
            train_metric_early=_early_share(trained.level),
            metric_gap=trained.end - course.end,
        )
    auc = log.get("roc_auc", "val")
    ranked = None if auc is None else _curves.course(auc)
    if auc is not None and ranked is not None:
        late = _curves.trend(_curves.part(auc.values, 2 / 3))
        noted.put(
            (_curves.span(auc),),
            roc_auc_end=ranked.end,
            roc_auc_best=float(np.max(ranked.level)),
            roc_auc_late_trend=late and late.z,
            roc_auc_repeats=_repeats(auc.values),
        )


def _early_share(level: _curves.Values) -> float | None:
    """Return the share of a rise that is done at two fifths of a curve; None without a rise to speak of."""
    low, high = float(level.min()), float(level.max())
    if high - low < _NEARLY:
        return None
    return (float(level[round(0.4 * (len(level) - 1))]) - low) / (high - low)


def _since_best(noted: Noted, loss: Series | None, metric: Series) -> None:
    """Note what the training loss did since the metric was best."""
    scored = _curves.course(metric)
    trained = None if loss is None else _curves.course(loss)
    if loss is None or scored is None or trained is None:
        return
    at = int(scored.at[scored.highest])
    then = _level_at(trained, metric.order[at : at + 1])
    noted.put(
        (_curves.span(loss),),
        loss_left_since_metric_best=ratio(trained.end, then) if then is not None and then > 0 else None,
    )


def _early(series: Series) -> float | None:
    """Return the median of the first half."""
    return _curves.median(_curves.part(series.values, 0.0, 0.5))


def _settled_at(course: _curves.Course, bar: float | None) -> float:
    """Return the place from which the level stays near its end."""
    within = max(_NEARLY * float(course.level.max() - course.level.min()), 2 * (bar or 0.0))
    at = int(course.at[min(_curves.settled(course.level, within), len(course.at) - 1)])
    return at / max(len(course.series) - 1, 1)


def _validation_positives(log: TrainingLog, *, exact: bool) -> int | None:
    """Return the number of positives of the validation data: as logged, or what recalls are fractions of.

    These are exact where the metric beside them is: one writer rounds all numbers alike.
    """
    counted = log.get("positives", "val")
    known = None if counted is None else _curves.median(counted.values)
    if known is not None and known >= 1:
        return round(known)
    for name in ("recall", "recall_at_quantile"):
        series = log.get(name, "val")
        found = None if series is None else _curves.denominator(series.values, exact=exact)
        if found is not None:
            return found
    return None


def _repeats(values: _curves.Values) -> float:
    """Return the share of the values that equal the commonest one; NaN equals nothing."""
    import numpy as np

    known = _curves.finite(values)
    if not len(known):
        return 0.0
    counts = np.unique(np.round(known, _DIGITS), return_counts=True)[1]
    return float(counts.max() / len(values))


def _is_log_loss(series: Series, metric: Series | None) -> bool:
    """Tell whether a validation loss is a log loss: by its name, or as the plain loss beside ranks."""
    beside_ranks = metric is not None and metric.name in {"average_precision", "roc_auc"}
    return series.name == "bce" or (series.name == "loss" and beside_ranks)


def _validation_loss(
    noted: Noted, log: TrainingLog, loss: Series | None, metric: Series | None, labelled: float | None
) -> None:
    """Note how the validation loss ends, and what else happened since it was lowest."""
    import numpy as np

    series = _readings.validation_loss(log)
    course = None if series is None else _curves.course(series)
    if series is None:
        return
    noted.put((_curves.span(series),), validation_loss_bad_share=float(np.mean(~np.isfinite(series.values))))
    if course is None:
        return
    lowest = course.lowest
    best, at = float(course.level[lowest]), int(course.at[lowest])
    rise = course.end - best
    bar = _curves.roughness(course.values)
    after = _curves.trend(course.after(lowest))
    noted.put(
        (_curves.span(series),),
        validation_loss_wobble=ratio(
            _curves.noise(course.values),
            max(_curves.median(np.abs(series.values)) or 0.0, float(np.ptp(course.values)) / 4),
        ),
    )
    start, tendency = float(course.level[0]), _curves.trend(series.values)
    noted.put(
        (_curves.span(series),),
        validation_loss_left=ratio(course.end, start) if start > 0 <= course.end else None,
        validation_loss_tau=tendency and tendency.tau,
        validation_loss_straightness=_curves.straightness(course.level),
    )
    steps = np.diff(course.level[lowest:])
    noted.put(
        (_curves.span(series, at),),
        validation_loss_step_up=ratio(float(steps.max()), rise) if len(steps) and rise > 0 else None,
        validation_loss_rise=ratio(rise, best) if best > 0 else None,
        validation_loss_rise_bars=ratio(rise, bar),
        validation_loss_rise_trend=after and after.z,
        validation_loss_best_at=at / max(len(series) - 1, 1),
        validation_loss_end=course.end,
    )
    if _is_log_loss(series, metric):
        share = _prevalence(log, labelled)
        noted.put(
            (_curves.span(series),),
            validation_log_loss_end=course.end,
            validation_log_loss_start=start,
            loss_over_validation=None if loss is None else ratio(_early(loss), _early(series)),
            validation_log_loss_peak=float(_curves.finite(series.values).max()),
            prior_loss_ratio=None if share is None else ratio(course.end, _entropy(share)),
        )
    accuracy = log.get("accuracy", "val")
    right = None if accuracy is None else _curves.course(accuracy)
    if accuracy is not None and right is not None:
        noted.put((_curves.span(accuracy),), accuracy_end=right.end)
        prior = _entropy(right.end)
        noted.put(
            (_curves.span(series), _curves.span(accuracy)), prior_entropy_ratio=ratio(course.end, prior)
        )
    order = series.order[at : at + 1]
    trained = None if loss is None else _curves.course(loss)
    if loss is not None and trained is not None:
        then = _level_at(trained, order)
        noted.put(
            (_curves.span(loss),),
            loss_left_since_best=ratio(trained.end, then) if then is not None and then > 0 else None,
        )
    scored = None if metric is None else _curves.course(metric)
    if metric is not None and scored is not None:
        then = _level_at(scored, order)
        noted.put((_curves.span(metric),), metric_gain_since_best=None if then is None else scored.end - then)


def _level_at(course: _curves.Course, order: _curves.Orders) -> float | None:
    """Return the level nearest to a log record."""
    import numpy as np

    orders = course.series.order[course.at]
    return float(course.level[int(np.abs(orders - order[0]).argmin())])


def _entropy(share: float) -> float | None:
    """Return the entropy of an outcome with this chance; None where nothing is left to chance."""
    if not 0 < share < 1:
        return None
    return -share * math.log(share) - (1 - share) * math.log(1 - share)


def _constant_answers(noted: Noted, log: TrainingLog) -> None:
    """Note evaluations in which every sample, or none, was called positive."""
    import numpy as np

    recall = log.get("recall", "val")
    if recall is None:
        return
    later = _curves.part(recall.values, 0.5)
    start = len(recall) - len(later)
    noted.put(recall_points=len(recall))
    noted.put((_curves.span(recall, start),), recall_zero_share=float(np.mean(later == 0)))
    precision, accuracy = (log.get(name, "val") for name in ("precision", "accuracy"))
    if precision is not None and accuracy is not None:
        orders = recall.order[start:]
        difference = np.abs(_curves.beside(precision, orders) - _curves.beside(accuracy, orders))
        same = difference <= _FEW_NEGATIVES
        noted.put((_curves.span(recall, start),), all_positive_share=float(np.mean(same & (later == 1))))


def _classes(noted: Noted, log: TrainingLog) -> None:
    """Note classes whose metric is exactly 0 to the end, for the metric that has most classes."""
    import numpy as np

    families = [
        [s for s in log.all(name, "val") if s.part and len(s) >= _SOME]
        for name in ("recall", *_readings.METRICS, "precision")
    ]
    parts = max(families, key=len)
    if len(parts) < 2:  # noqa: PLR2004
        return
    ends = [_curves.part(s.values, 2 / 3) for s in parts]
    silent = [s for s, end in zip(parts, ends, strict=True) if np.all(end == 0)]
    spans = [_curves.span(s, len(s) - max(round(len(s) / 3), 1)) for s in silent[:5]]
    middle = _curves.median(np.array([m for end in ends if (m := _curves.median(end)) is not None]))
    noted.put(spans, classes_logged=len(parts), classes_at_zero=len(silent), classes_median=middle)


def _optimiser(noted: Noted, log: TrainingLog) -> None:
    """Note what gradient norm and learning rate do."""
    import numpy as np

    gradient = log.get("gradient_norm")
    if gradient is not None:
        whole = (_curves.span(gradient),)
        bad = ~np.isfinite(gradient.values)
        _bad(noted, gradient, bad, "gradient")
        first, last = (_curves.median(_curves.part(gradient.values, *p)) for p in ((0.0, 0.1), (0.9, 1.0)))
        middle = _curves.median(gradient.values)
        noted.put(
            whole,
            gradient_zero_share=float(np.mean(gradient.values == 0)),
            gradient_growth=ratio(last, first),
            gradient_peak=ratio(float(_curves.finite(gradient.values).max()), middle) if middle else None,
        )
    rate = log.get("learning_rate")
    if rate is not None:
        noted.put((_curves.span(rate),), learning_rate_zero_share=float(np.mean(rate.values == 0)))
