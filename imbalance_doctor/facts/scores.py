"""What a score dump shows: metrics per class, calibration, shape of the scores, live gradients, drift.

Figures of a single class are those of the class in focus: the positive one of a binary dump, else the
rarest that has a row. ``class_`` vectors hold all classes in order, None for those without the rows it
takes. Rows without a label are left out; so are rows with a score that is not finite, which are counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from imbalance_doctor.evidence import ScoreDump, TrainingPlan, described
from imbalance_doctor.facts._numbers import ratio, wilson
from imbalance_doctor.facts._ranking import (
    LIMIT,
    Ranking,
    Whose,
    higher,
    quantile_ranks,
    quantiles,
    rank,
)
from imbalance_doctor.facts._score_columns import (
    THRESHOLD,
    Column,
    column,
    columns,
    counted_rows,
    true_margins,
)
from imbalance_doctor.facts._score_tally import Course, Moments, Tally
from imbalance_doctor.facts.base import Evidence, Facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEMPERATURES = tuple(10 ** (exponent / 2) for exponent in range(-6, 3))
"""0.001 to 10, two to a decade."""
SATURATION = {"fp16": 8.5, "bf16": 6.25, "fp32": 16.75, "fp64": 36.75}
"""Log-odds of the true answer from which 1 - p_t rounds to 0 in the loss of the reference (torch 2.13)."""
_LIVE = 0.01
_REACH = 2 * math.acosh(_LIVE**-0.5)  # |x| at which sigmoid' is that share of its peak
_Z = 1.959963984540054
_FENCE = 3.0  # of Tukey's far outliers, in interquartile ranges
_QUARTILES = (0.25, 0.5, 0.75)
_ENOUGH_SURE = 20  # positives of confident learning below which a share says nothing
_NEGATIVE_TAILS = (0.05, 0.1, 0.25, 0.5)
_FPR_HIGH, _QUANTILE, _GAMMA = 0.01, 0.01, 2.0
_S = ("scores",)


@dataclass(frozen=True)
class _Asked:
    """What the plan says about how scores are to be looked at."""

    loss: str | None
    quantile: float
    loss_quantile: float
    band: tuple[float, float]
    loss_band: tuple[float, float]
    knots: int
    pairwise: bool
    scaled_by_band: bool
    temperature: float | None
    gamma: float
    weights: tuple[float, ...]
    rotation: float | None

    @classmethod
    def of(cls, plan: TrainingPlan, facts: Facts) -> Self:
        pauc = plan.loss == "pauc-at-budget"
        high = plan.metric_fpr_high or (plan.beta if pauc else None) or _FPR_HIGH
        low = plan.metric_fpr_low if plan.metric_fpr_high else plan.alpha if pauc else 0.0
        by_alpha = plan.loss == "sigmoid-focal" and plan.alpha is not None and plan.alpha >= 0
        weights: tuple[float, ...] = (1 - (plan.alpha or 0.0), plan.alpha or 0.0) if by_alpha else ()
        if plan.loss == "softmax-focal":
            weights = plan.class_weights or ()
        rotation = facts.value("pool.rotation_steps")
        if rotation is None:
            rotation = ratio(plan.queue_size, plan.batch_size)
        return cls(
            loss=plan.loss,
            quantile=plan.metric_quantile or plan.quantile or _QUANTILE,
            loss_quantile=plan.quantile or plan.metric_quantile or _QUANTILE,
            band=(low if low is not None and low < high else 0.0, high),
            loss_band=((plan.alpha or 0.0), plan.beta or _FPR_HIGH) if pauc else (0.0, high),
            knots=plan.n_knots or 2,
            pairwise=plan.surrogate == "pairwise",
            scaled_by_band=plan.tau_scale == "band",
            temperature=plan.temperature,
            gamma=_GAMMA if plan.gamma is None else plan.gamma,
            weights=weights,
            rotation=rotation,
        )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Facts of a score dump."""

    after: ClassVar[tuple[str, ...]] = ("labels", "pool")

    rows: int = described("rows that carry a label", unit="rows", needs=_S)
    ignored: int = described("rows that carry the ignore index", unit="rows", needs=_S)
    non_finite_share: float = described(
        "share of labelled rows with a score that is NaN or infinite; they are left out below",
        unit="share",
        needs=_S,
    )
    kind: str = described("kind of problem", needs=_S, choices=("binary", "multiclass", "multilabel"))
    scale: str = described("what the scores are", needs=_S, choices=("logits", "probabilities"))
    num_classes: int = described("classes, two for a binary dump", needs=_S)
    focus_class: str | None = described(
        "class that single figures are about: the positive one, else the rarest that has a row", needs=_S
    )
    positives: int | None = described("rows of the class in focus", unit="rows", needs=_S)
    negatives: int | None = described("rows of all other classes", unit="rows", needs=_S)
    prevalence: float | None = described("share of the class in focus", unit="share", needs=_S)

    roc_auc: float | None = described("ROC AUC, ties count one half", unit="share", needs=_S)
    roc_auc_low: float | None = described(
        "lower end of the 95 % interval of the ROC AUC (DeLong)", unit="share", needs=_S
    )
    roc_auc_high: float | None = described(
        "upper end of the 95 % interval of the ROC AUC (DeLong)", unit="share", needs=_S
    )
    average_precision: float | None = described(
        "average precision, equal scores as one threshold", unit="share", needs=_S
    )
    average_precision_low: float | None = described(
        "lower end of the 95 % interval of average precision (normal in its log-odds, by the positives)",
        unit="share",
        needs=_S,
    )
    average_precision_high: float | None = described(
        "upper end of the 95 % interval of average precision", unit="share", needs=_S
    )
    partial_auc: float | None = described(
        "mean true positive rate over the band of false positive rates", unit="share", needs=_S
    )
    partial_auc_fpr_low: float = described(
        "lower edge of that band: of the metric, else of the pAUC loss, else 0", unit="share", needs=_S
    )
    partial_auc_fpr_high: float = described(
        "upper edge of that band: of the metric, else of the pAUC loss, else 0.01", unit="share", needs=_S
    )
    recall_at_quantile: float | None = described(
        "recall among the top share q of the rows", unit="share", needs=_S
    )
    recall_at_quantile_low: float | None = described(
        "lower end of its 95 % interval (Wilson)", unit="share", needs=_S
    )
    recall_at_quantile_high: float | None = described(
        "upper end of its 95 % interval (Wilson)", unit="share", needs=_S
    )
    quantile: float = described(
        "that share q: of the metric, else of the loss, else 0.01", unit="share", needs=_S
    )

    threshold: float = described(
        "probability from which a row is called positive; a multi-class model answers with the most "
        "probable class instead",
        unit="share",
        needs=_S,
    )
    recall: float | None = described("share of the positives that are found", unit="share", needs=_S)
    recall_low: float | None = described(
        "lower end of the 95 % interval of recall (Wilson)", unit="share", needs=_S
    )
    recall_high: float | None = described(
        "upper end of the 95 % interval of recall (Wilson)", unit="share", needs=_S
    )
    precision: float | None = described(
        "share of true ones among the rows called positive", unit="share", needs=_S
    )
    precision_low: float | None = described(
        "lower end of the 95 % interval of precision (Wilson)", unit="share", needs=_S
    )
    precision_high: float | None = described(
        "upper end of the 95 % interval of precision (Wilson)", unit="share", needs=_S
    )
    specificity: float | None = described(
        "share of the negatives that are left alone", unit="share", needs=_S
    )
    specificity_low: float | None = described(
        "lower end of the 95 % interval of specificity (Wilson)", unit="share", needs=_S
    )
    specificity_high: float | None = described(
        "upper end of the 95 % interval of specificity (Wilson)", unit="share", needs=_S
    )
    called_share: float | None = described("share of rows called positive", unit="share", needs=_S)
    false_positives_over_predictions: float | None = described(
        "false positives over all rows predicted", unit="share", needs=_S
    )
    false_negatives_over_events: float | None = described(
        "missed positives over all positives", unit="share", needs=_S
    )
    worst_recall: float | None = described("lowest recall of any class with rows", unit="share", needs=_S)
    accuracy: float | None = described(
        "share of rows answered rightly; of a multi-label dump, for the class in focus",
        unit="share",
        needs=_S,
    )

    brier: float | None = described(
        "Brier score: mean squared error of the probability of the class in focus", unit="share", needs=_S
    )
    brier_skill: float | None = described(
        "share of the Brier score of answering the prevalence that the model saves; negative: it is worse",
        needs=_S,
    )
    log_loss: float | None = described(
        "log loss of the class in focus against the rest", unit="nats", needs=_S
    )
    ece: float | None = described(
        "expected calibration error of the class in focus, 15 bins of equal width", unit="share", needs=_S
    )
    ece_debiased: float | None = described(
        "expected calibration error less what sampling alone adds to it", unit="share", needs=_S
    )
    mean_probability: float | None = described(
        "mean probability of the class in focus", unit="share", needs=_S
    )
    probability_over_prevalence: float | None = described(
        "mean probability over prevalence", unit="times", needs=_S
    )

    hard_share: float | None = described(
        "share of rows whose true answer has a probability below one half", unit="share", needs=_S
    )
    hard_share_low: float | None = described(
        "lower end of its 95 % interval (Wilson)", unit="share", needs=_S
    )
    hard_share_high: float | None = described(
        "upper end of its 95 % interval (Wilson)", unit="share", needs=_S
    )
    easy_negative_share: float | None = described(
        "share of the summed cross-entropy that comes from negatives with a probability of the true "
        "answer above 0.9",
        unit="share",
        needs=_S,
    )
    missed_badly_share: float | None = described(
        "share of rows whose true answer has a probability below 0.01", unit="share", needs=_S
    )
    focal_loss_median: float | None = described(
        "median focal loss of a row, with the plan's gamma (else 2) and weights (else none)",
        unit="nats",
        needs=_S,
    )
    focal_loss_high: float | None = described("90th percentile of the focal loss", unit="nats", needs=_S)
    focal_loss_extreme: float | None = described("99th percentile of the focal loss", unit="nats", needs=_S)
    focal_loss_mean: float | None = described("mean focal loss", unit="nats", needs=_S)
    focal_tail: float | None = described(
        "share of the summed focal loss that the hardest hundredth of the rows holds",
        unit="share",
        needs=_S,
    )

    lowest: float | None = described("lowest score, in logits", unit="logit", needs=_S)
    highest: float | None = described("highest score, in logits", unit="logit", needs=_S)
    absmax: float | None = described("largest absolute score, in logits", unit="logit", needs=_S)
    std: float | None = described("standard deviation of the scores, in logits", unit="logit", needs=_S)
    iqr: float | None = described("interquartile range of the scores", unit="logit", needs=_S)
    negative_iqr: float | None = described(
        "interquartile range of the negatives' scores", unit="logit", needs=_S
    )
    mean_positive: float | None = described("mean score of the positives", unit="logit", needs=_S)
    mean_negative: float | None = described("mean score of the negatives", unit="logit", needs=_S)
    ties_share: float | None = described(
        "share of rows whose score another row has too", unit="share", needs=_S
    )
    bimodality: float | None = described(
        "bimodality of the negatives' scores, (skewness^2 + 1) / kurtosis: 0.33 normal, 0.56 uniform, "
        "1 two values",
        needs=_S,
    )
    bimodality_positive: float | None = described(
        "bimodality of the positives' scores, in the same way", needs=_S
    )
    outlier_share: float | None = described(
        "share of rows more than 3 interquartile ranges outside the quartiles of their own class",
        unit="share",
        needs=_S,
    )
    outlier_reach: float | None = described(
        "largest distance of a score from the median, in interquartile ranges", unit="times", needs=_S
    )

    temperature_over_spread: float | None = described(
        "the plan's temperature over the standard deviation of the scores",
        needs=("scores", "plan.temperature"),
    )
    temperatures: tuple[float, ...] = described(
        "temperatures that the _by_temperature vectors are for", unit="logit", needs=_S
    )
    temperature_over_spread_by_temperature: tuple[float, ...] | None = described(
        "temperature over the standard deviation of the scores", needs=_S
    )
    live_at_quantile: float | None = described(
        "share of positives with a live gradient under the plan's recall-at-quantile loss: at least 1 % of "
        "the kernel's peak",
        unit="share",
        needs=("scores", "plan.loss", "plan.temperature"),
    )
    live_at_quantile_by_temperature: tuple[float, ...] | None = described(
        "share of positives with a live gradient under recall-at-quantile", unit="share", needs=_S
    )
    live_in_band: float | None = described(
        "share of positives with a live gradient under the plan's pAUC loss",
        unit="share",
        needs=("scores", "plan.loss", "plan.temperature"),
    )
    live_in_band_by_temperature: tuple[float, ...] | None = described(
        "share of positives with a live gradient under pAUC-at-budget", unit="share", needs=_S
    )
    positives_over_threshold: float | None = described(
        "share of positives above the threshold of recall-at-quantile", unit="share", needs=_S
    )

    true_logit_max: float | None = described("largest log-odds of a true answer", unit="logit", needs=_S)
    saturated_fp16: float | None = described(
        "share of rows at which focal loss with 0 < gamma < 1 has no finite gradient in fp16 (8.5 logits)",
        unit="share",
        needs=_S,
    )
    saturated_bf16: float | None = described("the same in bf16 (6.25 logits)", unit="share", needs=_S)
    saturated_fp32: float | None = described("the same in fp32 (16.75 logits)", unit="share", needs=_S)
    saturated: float | None = described(
        "the same in the plan's precision", unit="share", needs=("scores", "plan.precision")
    )

    queue_shift: float | None = described(
        "how far the negatives' mean moves within one rotation of the queue, in standard deviations of the "
        "scores: median over the second half of the dump",
        needs=("scores", "plan.queue_size", "plan.batch_size"),
    )
    queue_shift_most: float | None = described(
        "largest such move of the whole dump", needs=("scores", "plan.queue_size", "plan.batch_size")
    )
    queue_shift_error: float | None = described(
        "standard error of one such move if nothing moved",
        needs=("scores", "plan.queue_size", "plan.batch_size"),
    )

    label_noise: float | None = described(
        "share of labelled positives that are wrong, by confident learning, where it can be identified",
        unit="share",
        needs=_S,
    )
    label_noise_low: float | None = described(
        "lower end of its 95 % interval (Wilson)", unit="share", needs=_S
    )
    label_noise_high: float | None = described(
        "upper end of its 95 % interval (Wilson)", unit="share", needs=_S
    )

    class_rows: tuple[float, ...] = described("rows per class", unit="rows", needs=_S)
    class_prevalence: tuple[float | None, ...] = described("share per class", needs=_S)
    class_roc_auc: tuple[float | None, ...] = described("ROC AUC per class against the rest", needs=_S)
    class_roc_auc_low: tuple[float | None, ...] = described("lower ends of their intervals", needs=_S)
    class_roc_auc_high: tuple[float | None, ...] = described("upper ends of their intervals", needs=_S)
    class_average_precision: tuple[float | None, ...] = described(
        "average precision per class against the rest", needs=_S
    )
    class_partial_auc: tuple[float | None, ...] = described("partial AUC per class", needs=_S)
    class_recall_at_quantile: tuple[float | None, ...] = described(
        "recall at the quantile per class", needs=_S
    )
    class_recall: tuple[float | None, ...] = described("recall per class", needs=_S)
    class_recall_low: tuple[float | None, ...] = described("lower ends of their intervals", needs=_S)
    class_recall_high: tuple[float | None, ...] = described("upper ends of their intervals", needs=_S)
    class_precision: tuple[float | None, ...] = described("precision per class", needs=_S)
    class_precision_low: tuple[float | None, ...] = described("lower ends of their intervals", needs=_S)
    class_precision_high: tuple[float | None, ...] = described("upper ends of their intervals", needs=_S)
    class_specificity: tuple[float | None, ...] = described("specificity per class", needs=_S)
    class_false_positives_over_predictions: tuple[float | None, ...] = described(
        "false positives over all rows, per class", needs=_S
    )
    class_false_negatives_over_events: tuple[float | None, ...] = described(
        "missed rows over rows, per class", needs=_S
    )
    class_brier: tuple[float | None, ...] = described("Brier score per class against the rest", needs=_S)
    class_ece: tuple[float | None, ...] = described("expected calibration error per class", needs=_S)
    class_ece_debiased: tuple[float | None, ...] = described("debiased calibration error per class", needs=_S)
    class_mean_probability: tuple[float | None, ...] = described("mean probability per class", needs=_S)

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the dump; None without one."""
        if evidence.scores is None:
            return None
        asked = _Asked.of(evidence.plan, facts)
        found = dict(_measured(evidence.scores, asked, LIMIT))
        precision = evidence.plan.precision
        found["saturated"] = found.get(f"saturated_{precision}")
        found.pop("saturated_fp64", None)
        return cls(**{spec.name: None for spec in fields(cls)} | found)


@lru_cache(maxsize=2)
def _measured(dump: ScoreDump, asked: _Asked, limit: int) -> tuple[tuple[str, Any], ...]:
    """Return all facts by name; kept for the plans that are judged against the same dump."""
    seen = _Seen.of(dump)
    found: dict[str, Any] = {
        "rows": seen.rows,
        "ignored": dump.rows - seen.rows,
        "non_finite_share": seen.non_finite / seen.rows if seen.rows else 0.0,
        "kind": dump.kind,
        "scale": dump.scale,
        "num_classes": len(seen.positives),
        "partial_auc_fpr_low": asked.band[0],
        "partial_auc_fpr_high": asked.band[1],
        "quantile": asked.quantile,
        "threshold": THRESHOLD,
        "temperatures": TEMPERATURES,
        "class_rows": tuple(map(float, seen.positives)),
    }
    focus = seen.focus
    by_class = [figures for one in columns(dump, limit) for figures in _of_column(one, dump, asked, limit)]
    for name in by_class[0]:
        if name not in _SINGLE:
            found[f"class_{name}"] = tuple(one[name] for one in by_class)
    found["worst_recall"] = min((r for r in found["class_recall"] if r is not None), default=None)
    if focus is not None:
        found |= by_class[focus]
        found["focus_class"] = dump.names[focus] if len(dump.names) == len(seen.positives) else str(focus)
        index = 0 if dump.kind == "binary" else focus
        found |= _of_focus(column(dump, index, limit), dump, asked, limit)
        found |= _of_truth(dump, index, asked, limit)
        if dump.kind == "multiclass":
            found["accuracy"] = ratio(seen.right, sum(seen.positives))
    return tuple(found.items())


@dataclass
class _Seen:
    """Counts of one pass over the targets."""

    rows: int
    non_finite: int
    right: int
    positives: list[int]
    binary: bool

    @classmethod
    def of(cls, dump: ScoreDump) -> Self:
        import numpy as np

        width = 2 if dump.kind == "binary" else dump.classes
        rows = non_finite = right = 0
        counts = np.zeros(width, dtype=np.int64)
        for block in dump.blocks():
            labelled = counted_rows(dump, block)
            finite = np.isfinite(block.scores).all(axis=1)
            rows += int(labelled.sum())
            non_finite += int((labelled & ~finite).sum())
            targets = block.targets[labelled & finite]
            if dump.kind == "multilabel":
                counts += (targets.reshape(len(targets), -1) == 1).sum(axis=0)
            else:
                inside = (targets >= 0) & (targets < width)
                counts += np.bincount(targets[inside], minlength=width)
                answers = block.scores[labelled & finite].argmax(axis=1)
                right += int((answers == targets).sum())
        return cls(rows, non_finite, right, counts.tolist(), dump.kind == "binary")

    @property
    def focus(self) -> int | None:
        """The positive class of a binary dump, else the rarest that has a row."""
        if self.binary:
            return 1
        present = [index for index, count in enumerate(self.positives) if count]
        return min(present, key=lambda index: self.positives[index], default=None)


_SINGLE = (
    *("positives", "negatives", "accuracy", "called_share", "ties_share", "log_loss", "brier_skill"),
    *("probability_over_prevalence", "average_precision_low", "average_precision_high"),
    *("recall_at_quantile_low", "recall_at_quantile_high", "specificity_low", "specificity_high"),
)
"""Figures of one class that are told of the class in focus alone."""


def _of_column(one: Column, dump: ScoreDump, asked: _Asked, limit: int) -> list[dict[str, Any]]:
    """Return the metrics of a class against the rest; of a binary dump those of both its classes."""
    tally = Tally.of(one.parts())
    sides = rank(
        lambda: ((part.ranked, part.positive) for part in one.parts()),
        positives=tally.positives,
        negatives=tally.negatives,
        band=asked.band,
        top=max(1, math.ceil(asked.quantile * tally.rows - 1e-9)),
        limit=limit,
    )
    if dump.kind != "binary":
        return [_of_class(tally, sides[0])]
    other = Tally.of(part.mirrored() for part in one.parts())
    return [_of_class(other, sides[1]), _of_class(tally, sides[0])]


def _of_class(tally: Tally, order: Ranking) -> dict[str, Any]:
    """Return the metrics of one class."""
    positives, negatives, rows = tally.positives, tally.negatives, tally.rows
    errors = tally.calibration_error()
    called, misses = tally.hits + tally.alarms, positives - tally.hits
    found: dict[str, Any] = {
        "positives": positives,
        "negatives": negatives,
        "prevalence": ratio(positives, rows),
        "roc_auc": order.roc_auc,
        "roc_auc_low": order.roc_auc_low,
        "roc_auc_high": order.roc_auc_high,
        "average_precision": order.average_precision,
        "partial_auc": order.partial_auc,
        "recall_at_quantile": order.recall_at_quantile,
        "ties_share": order.ties_share,
        "called_share": ratio(called, rows),
        "accuracy": ratio(rows - tally.alarms - misses, rows),
        "false_positives_over_predictions": ratio(tally.alarms, rows),
        "false_negatives_over_events": ratio(misses, positives),
        "brier": ratio(tally.squares, rows),
        "log_loss": ratio(tally.log_losses, rows),
        "ece": None if errors is None else errors[0],
        "ece_debiased": None if errors is None else errors[1],
    }
    summed = float(tally.bin_probability.sum())
    found["mean_probability"] = ratio(summed, rows)
    found["probability_over_prevalence"] = ratio(summed, positives)
    plain = ratio(positives * negatives, rows * rows)
    found["brier_skill"] = 1 - found["brier"] / plain if plain else None
    found |= _share("recall", tally.hits, positives)
    found |= _share("precision", tally.hits, called)
    found |= _share("specificity", negatives - tally.alarms, negatives)
    top_found = order.recall_at_quantile
    found |= _ends("recall_at_quantile", None if top_found is None else top_found * positives, positives)
    found |= _log_odds_ends("average_precision", order.average_precision, positives)
    return found


def _share(name: str, hits: int, rows: int) -> dict[str, float | None]:
    """Return a share and the ends of its interval."""
    return {name: ratio(hits, rows), **_ends(name, hits, rows)}


def _ends(name: str, hits: float | None, rows: int) -> dict[str, float | None]:
    if hits is None or not rows:
        return {f"{name}_low": None, f"{name}_high": None}
    low, high = wilson(hits, rows)
    return {f"{name}_low": low, f"{name}_high": high}


def _log_odds_ends(name: str, value: float | None, positives: int) -> dict[str, float | None]:
    """Return the ends of an interval that is normal in the log-odds, of as many trials as positives.

    At 0 and 1, where that has no width, the interval is Wilson's.

    References
    ----------
    K. Boyd, K. Eng and C. D. Page, "Area under the precision-recall curve: point estimates and confidence
    intervals", ECML 2013.
    """
    if value is None or not 0 < value < 1:
        return _ends(name, None if value is None else value * positives, positives)
    middle = math.log(value / (1 - value))
    half = _Z / math.sqrt(positives * value * (1 - value))
    low, high = (1 / (1 + math.exp(min(700.0, -(middle + side)))) for side in (-half, half))
    return {f"{name}_low": low, f"{name}_high": high}


def _of_focus(one: Column, dump: ScoreDump, asked: _Asked, limit: int) -> dict[str, Any]:
    """Return what the scores of the class in focus look like, and which of its positives have a gradient."""
    tally = Tally.of(one.parts())
    positives, negatives, rows = tally.positives, tally.negatives, tally.rows
    if not rows:
        return {}
    levels = _Levels(positives, negatives, asked)
    order, _ = rank(
        lambda: ((part.raw, part.positive) for part in one.parts()),
        positives=positives,
        negatives=negatives,
        band=asked.band,
        top=1,
        wanted=levels.wanted,
        limit=limit,
    )
    scores, std = tally.scores, tally.scores.std
    quartiles = {whose: levels.quartiles(order, whose) for whose in ("all", "positive", "negative")}
    low, middle, high = quartiles["all"] or (0.0, 0.0, 0.0)
    iqr = high - low
    of_negatives = quartiles["negative"]
    found: dict[str, Any] = {
        "lowest": scores.low,
        "highest": scores.high,
        "absmax": max(abs(scores.low), abs(scores.high)),
        "std": std,
        "iqr": iqr,
        "negative_iqr": of_negatives[2] - of_negatives[0] if of_negatives else None,
        "mean_positive": tally.positive_scores.mean if positives else None,
        "mean_negative": tally.negative_scores.mean if negatives else None,
        "bimodality": tally.negative_scores.bimodality,
        "bimodality_positive": tally.positive_scores.bimodality,
        "outlier_reach": ratio(max(scores.high - middle, middle - scores.low), iqr),
        "temperature_over_spread": ratio(asked.temperature, std),
        "temperature_over_spread_by_temperature": tuple(t / std for t in TEMPERATURES) if std else None,
    }
    return found | _second_pass(one, dump, asked, tally, levels, order)


class _Levels:
    """The scores at which something is decided, as ranks to be read in one sweep."""

    def __init__(self, positives: int, negatives: int, asked: _Asked) -> None:
        self._rows: dict[Whose, int] = {
            "all": positives + negatives,
            "positive": positives,
            "negative": negatives,
        }
        first, last = asked.loss_band
        step = (last - first) / (asked.knots - 1)
        self._asked = asked
        self._threshold: tuple[Whose, int] = ("all", higher(self._rows["all"], 1 - asked.loss_quantile))
        self._knots = [self._negative(1 - (first + step * k)) for k in range(asked.knots)]
        self._tails = [self._negative(share) for share in _NEGATIVE_TAILS]
        self._ends = self._negative(0.25), self._negative(0.75)
        self.wanted = [self._threshold, *self._knots, *self._tails, *self._ends]
        for whose, rows in self._rows.items():
            if rows:
                places = [quantile_ranks(rows, share)[:2] for share in _QUARTILES]
                self.wanted += [(whose, rank) for pair in places for rank in pair]

    def _negative(self, share: float) -> tuple[Whose, int]:
        return "negative", higher(self._rows["negative"], min(max(share, 0.0), 1.0))

    def quartiles(self, order: Ranking, whose: Whose) -> tuple[float, ...] | None:
        """Return the quartiles and the median, between rows as numpy has it; None without rows."""
        if not self._rows[whose]:
            return None
        found = []
        for share in _QUARTILES:
            lower, upper, weight = quantile_ranks(self._rows[whose], share)
            low, high = order.at[whose, lower], order.at[whose, upper]
            found.append(low + weight * (high - low))
        return tuple(found)

    def threshold(self, order: Ranking) -> float | None:
        """Return the threshold of recall-at-quantile, as its loss sets it on all rows at once."""
        return order.at.get(self._threshold)

    def band(self, order: Ranking) -> tuple[list[float], float] | None:
        """Return the thresholds of pAUC-at-budget, highest first, and the scale of its temperature."""
        if not self._rows["negative"]:
            return None
        knots = [order.at[place] for place in self._knots]
        low, high = (order.at[place] for place in self._ends)
        return knots, knots[0] - knots[-1] if self._asked.scaled_by_band else high - low

    def tails(self, order: Ranking) -> list[float]:
        """Return scores that the lowest few of the negatives lie under."""
        return [order.at[place] for place in self._tails] if self._rows["negative"] else []


class _Windows:
    """Ranges of scores, each a union of intervals, and how many positives lie in them."""

    def __init__(self, ranges: list[list[tuple[float, float]]]) -> None:
        self.ranges = ranges
        self.counts = [0] * len(ranges)

    def add(self, scores: NDArray[np.float64]) -> None:
        import numpy as np

        for index, intervals in enumerate(self.ranges):
            inside = np.zeros(len(scores), dtype=bool)
            for low, high in intervals:
                inside |= (scores >= low) & (scores <= high)
            self.counts[index] += int(inside.sum())

    def shares(self, rows: int) -> tuple[float, ...] | None:
        return tuple(count / rows for count in self.counts) if rows and self.ranges else None


def _second_pass(
    one: Column, dump: ScoreDump, asked: _Asked, tally: Tally, levels: _Levels, order: Ranking
) -> dict[str, Any]:
    """Return what takes the thresholds of the first pass to count."""
    temperatures = [*TEMPERATURES, *([asked.temperature] if asked.temperature else [])]
    threshold = levels.threshold(order)
    band = levels.band(order)
    at_quantile = _Windows([] if threshold is None else [_around([threshold], t) for t in temperatures])
    in_band = _Windows([])
    if band is not None and band[1] > 0:
        knots, scale = band
        in_band = _Windows([_around(knots, t * scale, through=asked.pairwise) for t in temperatures])
    fences = {flag: _fences(levels.quartiles(order, whose)) for flag, whose in _BY_FLAG}
    noise = _Noise(tally, levels.tails(order))
    course = Course() if dump.has_steps and asked.rotation else None
    outliers = over = 0
    easy = 0.0
    for part in one.parts():
        of_positives = part.raw[part.positive]
        at_quantile.add(of_positives)
        in_band.add(of_positives)
        if threshold is not None:
            over += int((of_positives > threshold).sum())
        for flag, (low, high) in fences.items():
            scores = part.raw[part.positive == flag]
            outliers += int(((scores < low) | (scores > high)).sum())
        easy += _easy_loss(part.margin[~part.positive])
        noise.add(part.probability, part.raw, part.positive)
        if course is not None:
            course.add(part)
    live = at_quantile.shares(tally.positives), in_band.shares(tally.positives)
    count = len(TEMPERATURES)
    planned = [None if shares is None or len(shares) == count else shares[count] for shares in live]
    found: dict[str, Any] = {
        "outlier_share": outliers / tally.rows,
        "positives_over_threshold": ratio(over, tally.positives) if threshold is not None else None,
        "live_at_quantile_by_temperature": live[0][:count] if live[0] else None,
        "live_in_band_by_temperature": live[1][:count] if live[1] else None,
        "live_at_quantile": planned[0] if asked.loss == "recall-at-quantile" else None,
        "live_in_band": planned[1] if asked.loss == "pauc-at-budget" else None,
        "easy_negative_share": ratio(easy, tally.log_losses),
    }
    return found | noise.found(order) | _shift(course, asked.rotation, tally.scores.std)


_BY_FLAG: tuple[tuple[bool, Whose], ...] = ((True, "positive"), (False, "negative"))
_EASY = math.log(9)  # log-odds of a probability of 0.9


def _easy_loss(margins: NDArray[np.float64]) -> float:
    """Return the cross-entropy of the negatives answered with a probability of at least 0.9, in nats."""
    import numpy as np

    return float(np.logaddexp(0.0, margins[margins <= -_EASY]).sum())


def _around(places: list[float], temperature: float, *, through: bool = False) -> list[tuple[float, float]]:
    """Return the scores with a live gradient around thresholds; `through`: also between them."""
    reach = _REACH * temperature
    if through:
        return [(min(places) - reach, max(places) + reach)]
    return [(place - reach, place + reach) for place in places]


def _fences(quartiles: tuple[float, ...] | None) -> tuple[float, float]:
    if quartiles is None:
        return -math.inf, math.inf
    width = _FENCE * (quartiles[2] - quartiles[0])
    return quartiles[0] - width, quartiles[2] + width


class _Noise:
    """Wrong labels among the positives, by confident learning on one class against the rest.

    A row counts as surely positive where its probability is at least the mean one of the labelled
    positives, and as surely negative in the same way. The share of labelled positives among the sure ones
    that are surely negative is the estimate. It holds for scores of rows the model was not trained on.

    Where the classes overlap, true positives among the negatives look the same as wrong labels. The
    estimate is therefore kept back unless

    - at least 20 labelled positives are sure,
    - the ROC AUC lies above 0.5 by its interval,
    - the positives left without the wrong ones would be told from the negatives with a ROC AUC of 0.95,
    - no tail of the negatives' scores says that fewer are wrong: wrong positives score as negatives do,
      so their share is at most that of positives in the tail over that of negatives.

    References
    ----------
    C. Northcutt, L. Jiang and I. Chuang, "Confident learning: estimating uncertainty in dataset labels",
    JAIR 2021. C. Scott, "A rate of convergence for mixture proportion estimation", AISTATS 2015.
    """

    _APART = 0.95

    def __init__(self, tally: Tally, tails: list[float]) -> None:
        self._tally = tally
        self._tails = tails
        self._under = [[0, 0] for _ in tails]
        self._least = (
            ratio(tally.sure_positive, tally.positives),
            ratio(tally.sure_negative, tally.negatives),
        )
        self._right = self._wrong = 0

    def add(self, p: NDArray[np.float64], scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> None:
        least_positive, least_negative = self._least
        if least_positive is None or least_negative is None:
            return
        own = p[positive]
        negative = (1 - own >= least_negative) & ((own < least_positive) | (own < THRESHOLD))
        self._wrong += int(negative.sum())
        self._right += int(((own >= least_positive) & ~negative).sum())
        for counts, tail in zip(self._under, self._tails, strict=True):
            low = scores <= tail
            counts[0] += int((low & positive).sum())
            counts[1] += int((low & ~positive).sum())

    def found(self, order: Ranking) -> dict[str, float | None]:
        sure = self._right + self._wrong
        nothing: dict[str, float | None] = _share("label_noise", 0, 0)
        if sure < _ENOUGH_SURE or order.roc_auc is None or (order.roc_auc_low or 0.0) <= 0.5:  # noqa: PLR2004
            return nothing
        share = self._wrong / sure
        if share >= 1 or (order.roc_auc - share / 2) / (1 - share) < self._APART:
            return nothing
        for positives, negatives in self._under:
            most = _ends("", positives, self._tally.positives)["_high"]
            if share > (ratio(most, negatives / self._tally.negatives) or 1.0):
                return nothing
        return _share("label_noise", self._wrong, sure)


def _shift(course: Course | None, rotation: float | None, std: float | None) -> dict[str, Any]:
    shifts = course.shifts(rotation, std) if course is not None and rotation and std else []
    if not shifts:
        return {}
    late = shifts[len(shifts) // 2 :]
    return {
        "queue_shift": _median([abs(shift) for shift, _ in late]),
        "queue_shift_most": max(abs(shift) for shift, _ in shifts),
        "queue_shift_error": _median([error for _, error in late]),
    }


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return (ordered[half] + ordered[-half - 1]) / 2


def _of_truth(dump: ScoreDump, index: int, asked: _Asked, limit: int) -> dict[str, Any]:
    """Return how sure the model is of the true answers, and what focal loss makes of that."""
    import numpy as np

    blocks = list(true_margins(dump, index)) if dump.rows <= limit else None

    def margins() -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        return iter(blocks) if blocks is not None else true_margins(dump, index)

    def losses() -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        for margin, answer in margins():
            away = np.logaddexp(0.0, -margin)  # -log p_t
            loss = np.exp(-asked.gamma * np.logaddexp(0.0, margin)) * away
            if len(asked.weights) > 1:
                loss *= np.take(asked.weights, answer, mode="clip")
            yield loss, np.zeros(len(loss), dtype=bool)

    of_all = Moments()
    hard = badly = 0
    saturated = dict.fromkeys(SATURATION, 0)
    for margin, _ in margins():
        of_all.add(margin)
        hard += int((margin < 0).sum())
        badly += int((margin < -math.log(99)).sum())
        for precision, limit_logit in SATURATION.items():
            saturated[precision] += int((margin >= limit_logit).sum())
    rows = of_all.rows
    if not rows:
        return {}
    top = math.ceil(rows / 100)
    last = (rows - top) / (rows - 1) if rows > 1 else 0.0
    middle, high, extreme, cut = quantiles(losses, rows, (0.5, 0.9, 0.99, last), limit)
    total = beyond = 0.0
    over = 0
    for loss, _ in losses():
        above = loss[loss > cut]
        over += len(above)
        beyond += float(above.sum())
        total += float(loss.sum())
    return {
        "hard_share": hard / rows,
        **_ends("hard_share", hard, rows),
        "missed_badly_share": badly / rows,
        "focal_loss_median": middle,
        "focal_loss_high": high,
        "focal_loss_extreme": extreme,
        "focal_loss_mean": total / rows,
        "focal_tail": ratio(beyond + max(0, top - over) * cut, total),
        "true_logit_max": of_all.high,
        **{f"saturated_{precision}": count / rows for precision, count in saturated.items()},
    }
