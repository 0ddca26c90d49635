"""What ranking losses and score statistics log: temperature, pool, queue, band, scores, phases, workers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from imbalance_doctor.evidence import RANKING_LOSSES, Series, described
from imbalance_doctor.facts._curves import finite, median, near, noise, part, span, trend, unharmed
from imbalance_doctor.facts._numbers import ratio
from imbalance_doctor.facts._trace_rows import Rows, first, last
from imbalance_doctor.facts.base import Evidence, Facts, Span

if TYPE_CHECKING:
    from imbalance_doctor.facts._curves import Values

_T = ("log.temperature", "log.score_std")
_POOL = ("log.pool_positives", "log.pool_size")
_LEAST = 5
"""Fewer rows show no course."""

_SMOOTH = 3
"""Values of a validation metric whose median counts as one."""

_NOISE = 0.25
"""Share of the prevalence by which a loss may miss Smooth-AP's chance level."""

_RARE = 0.24
"""From this prevalence on the level, give or take that noise, takes in ln 2, where log losses start."""

_CLUMPED = 50
"""Positives per batch beyond which a batch without one is a certain sign anyway."""

_CEILING = 0.95
"""Average precision from which on no remedy can win more than 0.05, and a healthy run would win less."""

_COMMON = 0.5
"""Prevalence from which on scores without order have a high average precision too."""

_METRICS = (
    "average_precision", "partial_auc", "recall_at_quantile", "roc_auc", "f1", "balanced_accuracy", "recall",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Facts of the internals of a loss, as a training log shows them.

    The main phase is the one in which the ranking loss trains, after the warm-up and the blend; the whole run
    where the log knows of no phase. "At first" and "at last" are medians of its first and last tenth.
    """

    after: ClassVar[tuple[str, ...]] = ("labels", "batch", "pool")

    ranking: bool | None = described(
        "whether the loss ranks: the plan says so, or the log holds what only such losses write",
        needs=("log",),
    )
    pauc: bool | None = described("whether it is the pAUC loss, by the same signs", needs=("log",))

    warmup_share: float | None = described(
        "share of the logged run before the main phase", unit="share", needs=("log.stage",)
    )
    temperature: float | None = described(
        "temperature at last, in logits", unit="logit", needs=("log.temperature",)
    )
    temperature_constant: bool | None = described(
        "whether the temperature keeps one value through the main phase", needs=("log.temperature",)
    )
    temperature_set_back: float | None = described(
        "largest factor by which a falling temperature jumps up again; 1 where it never does",
        needs=("log.temperature",),
    )
    spread_over_temperature_first: float | None = described(
        "score spread over temperature when the main phase begins", needs=_T
    )
    spread_over_temperature: float | None = described("score spread over temperature at last", needs=_T)
    share_above_spread: float | None = described(
        "share of the main phase with a temperature above the score spread", unit="share", needs=_T
    )
    pairs_per_spread: float | None = described(
        "rows within one temperature of a score: pool size x temperature / score spread, median",
        unit="rows",
        needs=(*_T, "log.pool_size"),
    )

    score_std: float | None = described(
        "standard deviation of the logits at last", unit="logit", needs=("log.score_std",)
    )
    score_std_first: float | None = described(
        "standard deviation of the logits in the first rows of the run",
        unit="logit",
        needs=("log.score_std",),
    )
    score_std_growth: float | None = described(
        "score spread at last over that at first, of the whole run", needs=("log.score_std",)
    )
    score_shift: float | None = described(
        "distance between the mean logits of the run's first and last tenth",
        unit="logit",
        needs=("log.score_mean",),
    )
    score_mean_early: float | None = described(
        "largest size of the mean logit in the run's first tenth, over that in the last",
        needs=("log.score_mean",),
    )
    score_resolution: float | None = described(
        "score spread over the size of the scores, at last", needs=("log.score_std", "log.score_mean")
    )
    score_rise: float | None = described(
        "rise of the mean logit in the main phase", unit="logit", needs=("log.score_mean",)
    )
    score_rise_spreads: float | None = described(
        "the same over the larger of the score spread at first and 0.3 x that at last",
        unit="spreads",
        needs=("log.score_mean", "log.score_std"),
    )
    score_rise_steadiness: float | None = described(
        "rank correlation of the mean logit with time in the main phase", needs=("log.score_mean",)
    )
    score_absmax: float | None = described(
        "largest absolute logit of the run", unit="logit", needs=("log.score_absmax",)
    )
    calibration: float | None = described(
        "mean predicted probability over prevalence at last, taking the logits for normal",
        needs=("log.score_mean", "log.score_std", "log.prevalence"),
    )
    mean_probability: float | None = described(
        "mean predicted probability at last, taking the logits for normal",
        unit="share",
        needs=("log.score_mean", "log.score_std"),
    )
    learning_rate: float | None = described("largest learning rate of the run", needs=("log.learning_rate",))
    predicted_share: float | None = described(
        "share predicted positive at last", unit="share", needs=("log.predicted_positive_share",)
    )
    prevalence: float | None = described(
        "share of positives: of the validation, the labels, or the batches",
        unit="share",
        needs=("log.prevalence",),
    )

    loss_first: float | None = described("training loss at the start of the main phase", needs=("log.loss",))
    loss: float | None = described("training loss at last", needs=("log.loss",))
    loss_fall: float | None = described(
        "fall of the training loss from the second fifth of the main phase to its last, over the former",
        needs=("log.loss",),
    )
    loss_over_prior: float | None = described(
        "training loss at last over the log loss of answering the prior", needs=("log.loss", "log.prevalence")
    )
    loss_excess: float | None = described(
        "training loss at last minus what the lesser average precision leaves to 1",
        needs=("log.loss", "log.average_precision"),
    )
    loss_excess_training: float | None = described(
        "training loss at last minus what the average precision on training rows leaves to 1",
        needs=("log.loss", "log.average_precision"),
    )
    loss_fall_total: float | None = described(
        "fall of the training loss over the main phase, over its start", needs=("log.loss",)
    )
    zero_share_first: float | None = described(
        "share of the first third of the steps with a training loss of exactly 0",
        unit="share",
        needs=("log.loss",),
    )
    zero_share: float | None = described(
        "share of steps with a training loss of exactly 0", unit="share", needs=("log.loss",)
    )
    loss_largest: float | None = described("largest training loss of the run", needs=("log.loss",))
    chance_share: float | None = described(
        "share of the run at Smooth-AP's loss of equal scores, 1 - (P + 1) / (M + 1)",
        unit="share",
        needs=("log.loss", "log.prevalence"),
    )

    threshold_noise: float | None = described(
        "jumps of the loss's threshold around its own course, in score spreads",
        unit="spreads",
        needs=("log.threshold", "log.score_std"),
    )
    pool_positives: float | None = described(
        "positives in the pool, mean of the main phase", unit="positives", needs=("log.pool_positives",)
    )
    pool_share: float | None = described(
        "share of positives in the pool", unit="share", needs=("log.pool_positives", "log.pool_size")
    )
    pool_size: float | None = described("rows in the pool at last", unit="rows", needs=("log.pool_size",))
    cap_enrichment: float | None = described(
        "share of positives in the pool over that in the queue or the live batches",
        needs=(*_POOL, "log.queue_positives", "log.queue_fill"),
    )
    live_positives: float | None = described(
        "positives per batch, mean", unit="positives", needs=("log.positives_in_batch",)
    )
    empty_batches: float | None = described(
        "share of batches without a positive", unit="share", needs=("log.batch_without_positives_share",)
    )
    clumping: float | None = described(
        "share of batches without a positive over that of shuffled data, exp(-positives per batch)",
        unit="times",
        needs=("log.batch_without_positives_share", "log.positives_in_batch"),
    )
    live_rows: float | None = described(
        "rows of a live batch: the pool without its queue",
        unit="rows",
        needs=("log.pool_size", "log.queue_fill"),
    )
    queue_turn: float | None = described(
        "steps until the full queue is replaced", unit="steps", needs=("log.pool_size", "log.queue_fill")
    )
    queue_drift: float | None = described(
        "learning rate x steps until the full queue is replaced",
        needs=("log.pool_size", "log.queue_fill", "log.learning_rate"),
    )
    queue_shift: float | None = described(
        "largest difference between queue and batch in mean score or in spread, in spreads of the batch",
        unit="spreads",
        needs=("log.queue_score_mean", "log.score_mean", "log.score_std"),
    )
    queue_before_main: bool | None = described(
        "whether the queue holds rows before the main phase", needs=("log.queue_fill", "log.stage")
    )
    band_negatives: float | None = described(
        "negatives in the FPR band, median of the main phase", unit="negatives", needs=("log.band_neg_count",)
    )
    gradient_positives: float | None = described(
        "live positives with a gradient, median of the main phase",
        unit="positives",
        needs=("log.grad_pos_count",),
    )
    worker_spread: float | None = described(
        "standard deviation of the loss across workers, median", needs=("log.rank_loss_std",)
    )
    worker_spread_share: float | None = described(
        "the same over the loss", needs=("log.rank_loss_std", "log.loss")
    )

    metric: float | None = described(
        "the validation's ranking metric at last", unit="share", needs=("log.average_precision",)
    )
    metric_drop: float | None = described(
        "fall of that metric from its best to its last, over its best",
        unit="share",
        needs=("log.average_precision",),
    )
    at_ceiling: bool | None = described(
        "whether the validation's average precision is known to end at its ceiling, 0.95 or more, "
        "without chance alone coming near",
        needs=("log",),
    )
    metric_at_switch: float | None = described(
        "that metric when the main phase begins", unit="share", needs=("log.average_precision", "log.stage")
    )
    training_deficit: float | None = described(
        "average precision of the validation minus that on training rows, at last",
        needs=("log.average_precision",),
    )

    seen: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)

    @classmethod
    @unharmed
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the internals; None without a log."""
        log = evidence.log
        if log is None:
            return None
        import numpy as np

        rows = Rows(log)
        prevalence = _prevalence(rows, evidence, facts)
        found: dict[str, Any] = {
            "ranking": rows.ranking or evidence.plan.loss in RANKING_LOSSES,
            "pauc": rows.pauc or evidence.plan.loss == "pauc-at-budget",
            "prevalence": prevalence,
        }
        seen: dict[str, tuple[Span, ...]] = {}
        with np.errstate(all="ignore"):  # logs hold any number; what overflows is unknown
            for part_ in (
                _phases(rows),
                _temperature(rows, evidence, facts),
                _scores(rows, prevalence),
                _levels(rows, prevalence),
                _pool(rows),
                _queue(rows, evidence),
                _workers(rows),
                _metric(rows, prevalence),
            ):
                seen |= part_.pop("seen", {})
                found |= part_
        found = {name: value for name, value in found.items() if value is not None and math.isfinite(value)}
        for name, series in _SEEN.items():
            if name in found:
                seen[name] = rows.where(*series)
        return cls(**found, seen={name: spans for name, spans in seen.items() if spans})


_SEEN: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "temperature_constant": ("temperature",),
    "spread_over_temperature_first": ("score_std", "temperature"),
    "spread_over_temperature": ("score_std", "temperature"),
    "share_above_spread": ("score_std", "temperature"),
    "pairs_per_spread": ("score_std", "temperature"),
    "score_rise": ("score_mean",),
    "score_rise_spreads": ("score_mean",),
    "loss": ("loss",),
    "loss_fall": ("loss",),
    "loss_excess": ("loss",),
    "loss_excess_training": ("loss",),
    "zero_share": ("loss_zero_share", "loss"),
    "threshold_noise": ("threshold",),
    "pool_positives": ("pool_positives",),
    "pool_share": ("pool_positives", "pool_size"),
    "gradient_positives": ("grad_pos_count",),
    "loss_fall_total": ("loss",),
    "zero_share_first": ("loss_zero_share", "loss"),
    "chance_share": ("loss",),
    "cap_enrichment": ("pool_positives", "pool_size"),
    "live_positives": ("positives_in_batch",),
    "empty_batches": ("batch_without_positives_share",),
    "clumping": ("batch_without_positives_share", "positives_in_batch"),
    "queue_turn": ("queue_fill",),
    "band_negatives": ("band_neg_count",),
    "worker_spread": ("rank_loss_std",),
    "queue_shift": ("queue_score_mean",),
    "score_std": ("score_std",),
    "score_std_growth": ("score_std",),
    "score_std_first": ("score_std",),
    "score_resolution": ("score_std",),
    "score_absmax": ("score_absmax",),
    "calibration": ("score_mean",),
    "mean_probability": ("score_mean",),
    "learning_rate": ("learning_rate",),
    "predicted_share": ("predicted_positive_share",),
    "loss_over_prior": ("loss",),
}
"""The series that each fact is shown in, over the main phase."""


def _mean(values: Values | None) -> float | None:
    return None if values is None or not len(values) else float(values.mean())


def _prevalence(rows: Rows, evidence: Evidence, facts: Facts) -> float | None:
    """Return the share of positives, from the best witness there is."""
    stated = rows.log.get("prevalence", "val") or rows.log.get("prevalence")
    if stated is not None and (value := median(stated.values)) is not None and 0 < value < 1:
        return value
    known = facts.value("labels.prevalence")
    if known is not None:
        return float(known)
    positives, negatives = rows.log.hints.get("positives"), rows.log.hints.get("negatives")
    if positives is not None and negatives is not None:
        return ratio(positives, positives + negatives)
    queue = rows.together("queue_positives", "queue_fill")
    if queue is not None:
        return ratio(_mean(queue[0]), _mean(queue[1]))
    live = rows.get("positives_in_batch")
    batch = rows.log.hints.get("batch_size") or evidence.plan.batch_size
    return None if live is None else ratio(_mean(finite(live.values)), batch)


def _phases(rows: Rows) -> dict[str, Any]:
    import numpy as np

    stage = rows.get("stage")
    if stage is None or len(stage) < _LEAST:
        return {}
    main = rows.in_main(stage.order)
    start = int(np.argmax(main)) if main.any() else len(main)
    share = start / len(main)
    return {
        "warmup_share": share,
        "seen": {"warmup_share": (span(stage, 0, max(start - 1, 0)),)} if start else {},
    }


def _temperature(rows: Rows, evidence: Evidence, facts: Facts) -> dict[str, Any]:
    """Return the temperature's course, and how it compares with the score spread.

    The temperature of the pAUC loss is relative to a spread of its own: there `tau_eff` is taken.
    """
    import numpy as np

    found: dict[str, Any] = {}
    series = rows.get("temperature")
    values = rows.main("temperature")
    if values is not None and len(values) >= _LEAST:
        assert series is not None  # noqa: S101  it has values
        found["temperature_constant"] = bool(np.ptp(values) <= 1e-6 * np.abs(values).max())
        found["temperature_set_back"] = _set_back(values)
    name = "tau_eff" if rows.pauc else "temperature"
    pairs = rows.together("score_std", name)
    if pairs is None and not rows.pauc and series is None:
        pairs = _planned_temperature(rows, evidence)
    if pairs is None:
        return found
    spread, temperature = pairs
    kept = temperature > 0
    if not kept.any():
        return found
    over = spread[kept] / temperature[kept]
    found |= {
        "temperature": last(temperature[kept]),
        "spread_over_temperature_first": first(over),
        "spread_over_temperature": last(over),
        "share_above_spread": float(np.mean(over < 1)) if len(over) >= _LEAST else None,
    }
    size = rows.main("pool_size")
    rows_compared = facts.value("pool.seen_size") if size is None else median(size)
    middle = median(over)
    if rows_compared is not None and middle:
        found["pairs_per_spread"] = ratio(rows_compared, middle)
    return found


def _planned_temperature(rows: Rows, evidence: Evidence) -> tuple[Values, Values] | None:
    """Return the score spread beside the plan's temperature, where that is constant and in logits."""
    import numpy as np

    plan = evidence.plan
    spread = rows.main("score_std")
    if spread is None or plan.temperature is None or plan.loss == "pauc-at-budget":
        return None
    if plan.temp_start is not None or plan.temp_end is not None:
        return None
    return spread, np.full(len(spread), plan.temperature)


def _set_back(values: Values) -> float:
    """Return the largest factor by which the temperature jumps above its lowest value so far."""
    import numpy as np

    values = values[values > 0]
    if not len(values):
        return 1.0
    lowest = np.minimum.accumulate(values)
    fallen = lowest < values[0]
    jumps = values[1:][fallen[:-1]] / lowest[:-1][fallen[:-1]]
    return max(1.0, float(jumps.max())) if len(jumps) else 1.0


def _scores(rows: Rows, prevalence: float | None) -> dict[str, Any]:
    import numpy as np

    found: dict[str, Any] = {}
    std, mean = rows.get("score_std"), rows.get("score_mean")
    if std is not None and len(finite(std.values)) >= _LEAST:
        spread = finite(std.values)
        found["score_std"] = last(spread)
        found["score_std_first"] = median(spread[:_SMOOTH])
        found["score_std_growth"] = ratio(last(spread), first(spread))
    if mean is not None and len(finite(mean.values)) >= _LEAST:
        values = finite(mean.values)
        early, late = float(first(values) or 0), float(last(values) or 0)
        found["score_shift"] = abs(late - early)
        found["score_mean_early"] = ratio(float(np.abs(part(values, 0, 0.1)).max()), abs(late))
    both = rows.together("score_mean", "score_std")
    if both is not None and len(both[0]) >= _LEAST:
        found |= _rise(*both, whole=not rows.phased)
        middle, spread_last = last(both[0]), last(both[1])
        if middle is not None and spread_last is not None:
            found["score_resolution"] = ratio(spread_last, max(abs(middle), spread_last))
            found["mean_probability"] = _mean_probability(middle, spread_last)
            found["calibration"] = ratio(found["mean_probability"], prevalence)
    cuts = rows.together("threshold", "score_std")
    if cuts is not None:
        found["threshold_noise"] = ratio(noise(cuts[0]), median(cuts[1]))
    largest = rows.get("score_absmax")
    if largest is not None and len(finite(largest.values)):
        found["score_absmax"] = float(np.max(finite(largest.values)))
    rates = rows.get("learning_rate")
    if rates is not None and len(finite(rates.values)):
        found["learning_rate"] = float(np.max(finite(rates.values)))
    predicted = rows.either("predicted_positive_share")
    if predicted is not None:
        found["predicted_share"] = last(predicted.values)
    return found


def _rise(mean: Values, spread: Values, *, whole: bool) -> dict[str, Any]:
    """Return how far the mean score rises; from its lowest point on where the log knows of no phase."""
    import numpy as np

    if whole:
        low = int(np.argmin(np.convolve(mean, np.ones(_SMOOTH), "valid")))
        if len(mean) - low < _LEAST:
            return {"score_rise": 0.0, "score_rise_spreads": 0.0, "score_rise_steadiness": 0.0}
        mean, spread = mean[low:], spread[low:]
    start, end = first(mean), last(mean)
    wide, wider = first(spread), last(spread)
    steady = trend(mean)
    if start is None or end is None or wide is None or wider is None:
        return {}
    return {
        "score_rise": end - start,
        "score_rise_spreads": ratio(end - start, max(wide, 0.3 * wider)),
        "score_rise_steadiness": None if steady is None else steady.tau,
    }


def _mean_probability(mean: float, spread: float) -> float:
    """Return the mean of the sigmoid over a normal distribution of logits, by Gauss and Hermite."""
    import numpy as np

    at, weights = np.polynomial.hermite_e.hermegauss(40)
    logits = np.clip(mean + spread * at, -700, 700)
    return float(weights @ (1 / (1 + np.exp(-logits))) / weights.sum())


def _levels(rows: Rows, prevalence: float | None) -> dict[str, Any]:
    """Return where the training loss stands, against levels that are known in closed form."""
    import numpy as np

    found: dict[str, Any] = {}
    series = rows.loss
    if series is None:
        return found
    shares = rows.get("loss_zero_share")
    losses = finite(series.values)
    found["loss_largest"] = float(losses.max()) if len(losses) else None
    zero = losses == 0 if shares is None else finite(shares.values)
    if len(zero) >= _LEAST:
        found["zero_share"] = float(np.mean(zero))
        found["zero_share_first"] = float(np.mean(part(zero, 0, 1 / 3)))
    values = rows.of_main(series)
    if values is None or len(values) < _LEAST:
        return found
    found["loss_first"], found["loss"] = first(values), last(values)
    if found["loss_first"] and found["loss"] is not None and found["loss_first"] > 0:
        found["loss_fall_total"] = 1 - found["loss"] / found["loss_first"]
    before, after = median(part(values, 0.2, 0.4)), median(part(values, 0.8))
    if before is not None and after is not None and before > 0:
        found["loss_fall"] = (before - after) / before
    if prevalence is not None and 0 < prevalence < 1:
        prior = -prevalence * math.log(prevalence) - (1 - prevalence) * math.log(1 - prevalence)
        found["loss_over_prior"] = ratio(found["loss"], prior)
        found |= _at_chance(rows, series, prevalence)
    precision = {
        phase: level
        for phase in ("train", "val")
        if (s := rows.log.get("average_precision", phase)) and (level := last(s.values)) is not None
    }
    if precision and found["loss"] is not None:
        found["loss_excess"] = found["loss"] - 1 + min(precision.values())
        if "train" in precision:
            found["loss_excess_training"] = found["loss"] - 1 + precision["train"]
    return found


def _at_chance(rows: Rows, series: Series, prevalence: float) -> dict[str, Any]:
    """Return the share of the run spent at Smooth-AP's loss of equal scores.

    The pool's own counts are taken where they are logged. A quarter of the prevalence is allowed for the
    noise of the count and for scores that have begun to part.
    """
    import numpy as np

    pool = rows.together("loss", "pool_positives", "pool_size")
    if pool is not None:
        loss, positives, size = pool
        level = 1 - (positives + 1) / (size + 1)
        held = np.abs(loss - level) <= _NOISE * (1 - level)
        return {"chance_share": float(held.mean())} if len(loss) >= _LEAST else {}
    values = rows.of_main(series)
    if values is None or prevalence > _RARE:
        return {}
    return {"chance_share": near(values, 1 - prevalence, _NOISE * prevalence)}


def _pool(rows: Rows) -> dict[str, Any]:
    import numpy as np

    counts = rows.main("grad_pos_count")
    found: dict[str, Any] = {
        "gradient_positives": None if counts is None else median(counts),
        "pool_positives": _mean(rows.main("pool_positives")),
        "pool_size": last(rows.main("pool_size")),
        "band_negatives": None if (band := rows.main("band_neg_count")) is None else median(band),
    }
    live = rows.get("positives_in_batch")
    if live is not None:
        found["live_positives"] = _mean(finite(live.values))
    empty = rows.get("batch_without_positives_share")
    if empty is not None:
        found["empty_batches"] = _mean(finite(empty.values))
    elif live is not None and len(counts := finite(live.values)) >= _LEAST and (counts % 1 == 0).all():
        found["empty_batches"] = float(np.mean(counts == 0))  # one batch a row, not a mean of several
    if found.get("empty_batches") is not None and found.get("live_positives") is not None:
        found["clumping"] = found["empty_batches"] * math.exp(min(found["live_positives"], _CLUMPED))
    pool = rows.together("pool_positives", "pool_size")
    queue = rows.together("queue_positives", "queue_fill")
    if pool is not None:
        found["pool_share"] = ratio(_mean(pool[0]), _mean(pool[1]))
    if pool is not None and queue is not None:
        own = ratio(_mean(queue[0]), _mean(queue[1]))
        found["cap_enrichment"] = ratio(found["pool_share"], own)
    return found


def _queue(rows: Rows, evidence: Evidence) -> dict[str, Any]:
    import numpy as np

    found: dict[str, Any] = {}
    both = rows.together("pool_size", "queue_fill")
    live = None
    if both is not None:
        live = median((both[0] - both[1])[both[1] > 0])
        if live is None or live <= 0:  # the pool is capped below its queue
            live = rows.log.hints.get("batch_size") or evidence.plan.batch_size
        found["live_rows"] = live
        found["queue_turn"] = ratio(float(both[1].max()), live)
        rate = rows.get("learning_rate")
        if rate is not None and found["queue_turn"] is not None and len(finite(rate.values)):
            found["queue_drift"] = float(np.max(finite(rate.values))) * found["queue_turn"]
    apart = rows.together("score_mean", "score_std", "queue_score_mean")
    if apart is not None:
        mean, spread, queue = apart
        distance = np.abs(queue - mean)
        wide = rows.together("score_mean", "score_std", "queue_score_mean", "queue_score_std")
        if wide is not None and len(wide[0]) == len(mean):
            distance = np.maximum(distance, np.abs(wide[3] - spread))
        if (spread > 0).any():
            found["queue_shift"] = float(np.max(distance[spread > 0] / spread[spread > 0]))
    filled = rows.get("queue_fill")
    if filled is not None and rows.phased:
        early = ~rows.in_main(filled.order)
        if early.any():
            found["queue_before_main"] = bool((filled.values[early] > 0).any())
    return found


def _workers(rows: Rows) -> dict[str, Any]:
    both = rows.together("loss", "rank_loss_std")
    if both is None:
        return {}
    spread = median(both[1])
    return {"worker_spread": spread, "worker_spread_share": ratio(spread, median(both[0]))}


def _metric(rows: Rows, prevalence: float | None) -> dict[str, Any]:
    """Return the course of the validation's ranking metric: the first of the known ones that is logged."""
    import numpy as np

    found: dict[str, Any] = {}
    series = next((s for name in _METRICS if (s := rows.log.get(name, "val")) is not None), None)
    if series is not None and len(finite(series.values)) >= _LEAST:
        values = finite(series.values)
        smooth = np.median(np.lib.stride_tricks.sliding_window_view(values, _SMOOTH), axis=1)
        best, end = float(smooth.max()), last(values)
        found["metric"] = end
        if rows.phased and (early := finite(series.values[~rows.in_main(series.order)])).size:
            found["metric_at_switch"] = median(early[-_SMOOTH:])
        if end is not None and best > 0:
            found["metric_drop"] = max(0.0, (best - end) / best)
            found["seen"] = {"metric_drop": (span(series, int(np.argmax(smooth)) + 1, -1),)}
    precision = rows.log.get("average_precision", "val")
    end = None if precision is None else last(precision.values)
    found["at_ceiling"] = end is not None and end >= _CEILING and (prevalence or 0) < _COMMON
    train, val = (rows.log.get("average_precision", phase) for phase in ("train", "val"))
    if train is not None and val is not None:
        own, other = median(part(train.values, 2 / 3)), median(part(val.values, 2 / 3))
        if own is not None and other is not None:
            found["training_deficit"] = other - own
    return found
