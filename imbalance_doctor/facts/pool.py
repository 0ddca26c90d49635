"""What the pool of a ranking loss holds: live batch, gathered batches and queue, then the cap.

Measured only for a plan that sets a queue (by itself or through its loss). Averages after the cap are
those of the quota sampler at the average class counts of the full pool; how far that is from a
simulation of the sampler is tested.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from imbalance_doctor.evidence import RANKING_LOSSES, LabelCounts, TrainingPlan, described
from imbalance_doctor.facts._numbers import clamp, product, ratio
from imbalance_doctor.facts._quota import expected_classes, kept, none_kept, none_kept_of_some
from imbalance_doctor.facts._stream import Stream, labelled_share, rows_per_sample, stream
from imbalance_doctor.facts._tails import fewer_drawn
from imbalance_doctor.facts.base import Evidence, Facts
from imbalance_doctor.facts.labels import focus_index
from imbalance_doctor.facts.schedule import over_spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIZE = ("plan.batch_size", "plan.queue_size", "plan.world_size")
_P = ("labels", *_SIZE)
_LEAST = (5, 10, 20)
_MOST_OTHERS = 10_000  # a stated number of classes is no reason to fill memory


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Facts of the pool."""

    after: ClassVar[tuple[str, ...]] = ("labels", "batch", "schedule")

    size: int | None = described(
        "rows in the full pool before any cap: live rows (of all workers when gathered) and queue",
        unit="rows",
        needs=_SIZE,
    )
    seen_size: int | None = described("rows the loss ranks: the pool after the cap", unit="rows", needs=_SIZE)
    live_size: int | None = described(
        "live rows in the pool (of all workers when gathered)", unit="rows", needs=_SIZE
    )
    capped: bool | None = described("the cap is smaller than the pool", needs=_SIZE)
    uncapped_positives: float | None = described(
        "positives in the full pool, on average", unit="rows", needs=_P
    )
    expected_positives: float | None = described(
        "positives the loss ranks, on average (after the cap)", unit="rows", needs=_P
    )
    expected_negatives: float | None = described(
        "negatives the loss ranks, on average (after the cap)", unit="rows", needs=_P
    )
    prevalence: float | None = described(
        "prevalence the loss sees in the pool (after the cap)", unit="share", needs=_P
    )
    class_positives: tuple[float, ...] | None = described(
        "rows per class the loss ranks, on average (after the cap)", unit="rows", needs=_P
    )
    no_positive_probability: float | None = described(
        "probability that the pool holds no positive", unit="share", needs=_P
    )
    fewer_than_5: float | None = described(
        "probability that the pool holds fewer than 5 positives", unit="share", needs=_P
    )
    fewer_than_10: float | None = described(
        "probability that the pool holds fewer than 10 positives", unit="share", needs=_P
    )
    fewer_than_20: float | None = described(
        "probability that the pool holds fewer than 20 positives", unit="share", needs=_P
    )
    live_positives: float | None = described(
        "positives among the live rows, on average", unit="rows", needs=_P
    )
    live_positive_share: float | None = described(
        "share of the pooled positives that are live and can carry gradient", unit="share", needs=_P
    )
    live_positives_lost: float | None = described(
        "probability that a batch with positives keeps none of them under the quota sampler",
        unit="share",
        needs=(*_P, "plan.max_pool_size"),
    )
    quantile_rows: float | None = described(
        "pool size x review fraction: rows above the threshold",
        unit="rows",
        needs=(*_SIZE, "plan.quantile"),
    )
    quantile_spread: float | None = described(
        "relative standard deviation of the share of rows above the threshold: 1 / sqrt(pool size x q)",
        unit="share",
        needs=(*_SIZE, "plan.quantile"),
    )
    quantile_floor: float | None = described(
        "loss a perfect ranking keeps: 1 - q / pool prevalence, or 0 when q is the larger",
        needs=(*_P, "plan.quantile"),
    )
    band_rows: float | None = described(
        "pooled negatives x beta: negatives inside the FPR band when it starts at 0",
        unit="rows",
        needs=(*_P, "plan.beta"),
    )
    band_low_rows: float | None = described(
        "pooled negatives x alpha: negatives above the band; None when the band starts at 0",
        unit="rows",
        needs=(*_P, "plan.alpha"),
    )
    band_width_rows: float | None = described(
        "pooled negatives x (beta - alpha): negatives inside the band",
        unit="rows",
        needs=(*_P, "plan.beta", "plan.alpha"),
    )
    band_fpr_inflation: float | None = described(
        "realised FPR at the band's upper edge over beta, from the order statistic",
        needs=(*_P, "plan.beta"),
    )
    ap_spread: float | None = described(
        "relative standard deviation of the AP estimate on such a pool", unit="share", needs=_P
    )
    rotation_steps: float | None = described(
        "steps until the queue has been replaced once", unit="steps", needs=_SIZE
    )
    drift: float | None = described(
        "learning rate x rotation steps: how far the model moves while a row waits in the queue",
        needs=(*_SIZE, "plan.learning_rate"),
    )
    queue_epochs: float | None = described(
        "useful queue rows over labelled rows: above 1 the queue holds the same row more than once",
        unit="epochs",
        needs=("labels", "plan.queue_size"),
    )
    useful_queue: float | None = described(
        "queue rows that carry a label (ignored rows take places too)",
        unit="rows",
        needs=("labels", "plan.queue_size"),
    )
    pairs_per_spread: float | None = described(
        "pool size x lowest temperature / score spread: how many rows a soft rank averages over",
        needs=(*_SIZE, "plan.temperature", "plan.score_std"),
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the pool; None when the plan has no queue and no ranking loss."""
        plan, labels = evidence.plan, evidence.labels
        if plan.loss not in RANKING_LOSSES and (plan.loss is not None or plan.queue_size is None):
            return None
        rows = _rows(plan, labels)
        flow = stream(plan, labels, facts.value("labels.positives"))
        useful = None if labels is None else product(plan.queue_size, labelled_share(labels))
        epochs = None if labels is None else ratio(useful, labels.rows)
        if rows is None:
            return cls(useful_queue=useful, queue_epochs=epochs)

        seen = rows.seen
        rotation = ratio(plan.queue_size, rows.entering)
        relative = over_spread(plan, facts.value("schedule.lowest_temperature"))
        quantile_rows = product(seen, plan.quantile)
        content = None if flow is None else _content(flow, rows, plan, labels)
        positives = None if content is None else content.positives
        negatives = None if positives is None else max(0.0, seen - positives)
        prevalence = ratio(positives, seen)
        below = None if content is None else content.fewer
        low_edge, width = _band(plan)
        return cls(
            size=round(rows.live) + round(rows.queued),
            seen_size=round(seen),
            live_size=round(rows.live),
            capped=rows.capped,
            uncapped_positives=None if content is None else content.pooled,
            expected_positives=positives,
            expected_negatives=negatives,
            prevalence=prevalence,
            class_positives=None if content is None else content.per_class,
            no_positive_probability=None if content is None else content.none,
            fewer_than_5=None if below is None else below[0],
            fewer_than_10=None if below is None else below[1],
            fewer_than_20=None if below is None else below[2],
            live_positives=None if content is None else content.live,
            live_positive_share=None if content is None else ratio(content.live, content.pooled),
            live_positives_lost=None if content is None else content.lost,
            quantile_rows=quantile_rows,
            quantile_spread=None if not quantile_rows else 1 / math.sqrt(quantile_rows),
            quantile_floor=_quantile_floor(plan.quantile, prevalence),
            band_rows=product(negatives, plan.beta),
            band_low_rows=product(negatives, low_edge or None),
            band_width_rows=product(negatives, width),
            band_fpr_inflation=band_fpr_inflation(negatives, plan.beta),
            ap_spread=ap_spread(positives, prevalence),
            rotation_steps=rotation,
            drift=product(plan.learning_rate, rotation),
            queue_epochs=epochs,
            useful_queue=useful,
            pairs_per_spread=product(seen, relative),
        )


class _Rows(NamedTuple):
    """Row counts of a pool; `live` and `queued` are labelled rows, `entering` and `places` all of them."""

    live: float
    queued: float
    entering: int
    places: int
    cap: int | None

    @property
    def total(self) -> float:
        return self.live + self.queued

    @property
    def capped(self) -> bool:
        return self.cap is not None and self.cap < round(self.live) + round(self.queued)

    @property
    def seen(self) -> float:
        return float(self.cap) if self.cap is not None and self.capped else self.total


def _rows(plan: TrainingPlan, labels: LabelCounts | None) -> _Rows | None:
    """Count the rows of the pool; None when batch, queue or the number of gathered workers is unknown.

    The batches of other workers are in the pool only where the plan gathers. Every row enters the
    queue, also those with the ignore index: they take places there and are left out of the pool.
    """
    workers = plan.world_size if plan.gather_distributed is True else 1
    if plan.batch_size is None or plan.queue_size is None or workers is None:
        return None
    entering = plan.batch_size * rows_per_sample(plan, labels) * workers
    labelled = labelled_share(labels)
    return _Rows(
        live=entering * labelled,
        queued=plan.queue_size * labelled,
        entering=entering,
        places=entering + plan.queue_size,
        cap=plan.max_pool_size,
    )


class _Content(NamedTuple):
    """What a pool holds of the class in focus, and of every class."""

    pooled: float
    positives: float
    live: float
    lost: float | None
    none: float | None
    fewer: tuple[float, ...] | None
    per_class: tuple[float, ...] | None


def _content(flow: Stream, rows: _Rows, plan: TrainingPlan, labels: LabelCounts | None) -> _Content:
    pooled = flow.expected(rows.places)
    live = flow.expected(rows.entering)
    below = flow.fewer_than(rows.places, (1, *_LEAST))
    none, fewer = (None, None) if below is None else (below[0], below[1:])
    per_class = _class_shares(flow, labels)
    if not rows.capped or rows.cap is None:
        everything = None if per_class is None else tuple((per_class * rows.total).tolist())
        return _Content(pooled, pooled, live, 0.0, none, fewer, everything)

    shares, focus = _quota_shares(flow, plan, labels)
    result = kept(shares * rows.total, rows.cap, expected_classes(shares, rows.total))
    row = () if shares.ndim == 1 else (focus,)
    column = focus if shares.ndim == 1 else 1
    positives = float(result.rows[row][column])
    quota, reserved = float(result.quota[row]), float(result.reserved[row])
    crowding = rows.cap / reserved if reserved >= rows.cap else 1.0
    return _Content(
        pooled=pooled,
        positives=positives,
        live=live,
        lost=_lost(flow, rows, pooled, positives),
        none=none if none is None or crowding >= 1 else 1 - (1 - none) * crowding,
        fewer=None
        if fewer is None
        else tuple(
            1.0 if crowding < 1 else _fewer_after_cap(below, limit, pooled, rows, quota, reserved)
            for limit, below in zip(_LEAST, fewer, strict=True)
        ),
        per_class=_kept_per_class(result.rows, labels) if per_class is not None else None,
    )


def _fewer_after_cap(
    below: float, limit: int, pooled: float, rows: _Rows, quota: float, reserved: float
) -> float:
    """Return ``P(kept < limit)`` from ``P(pooled < limit)``.

    The sampler keeps a class whole up to its quota. So with a quota of at least `limit` the two are
    the same; with a smaller one a pool that holds enough may still lose them in the uniform fill, taken
    here at the average number of pooled positives.
    """
    if quota >= limit or rows.cap is None:
        return below
    rest = round(rows.total - reserved)
    fill = min(rest, round(rows.cap - reserved))
    spare = min(rest, max(0, round(max(pooled, limit) - quota)))
    missed = fewer_drawn(rest, spare, fill, (limit - int(quota),))[0]
    return below + (1 - below) * missed


def _lost(flow: Stream, rows: _Rows, pooled: float, positives: float) -> float | None:
    """Return the probability that a batch with positives keeps none of them, None if rows are ordered.

    The sampler does not know which rows are live, so each pooled positive stays with the same
    probability.
    """
    if pooled <= 0 or positives >= pooled:
        return 0.0
    if flow.ordered:
        return None
    if flow.evenly:
        return none_kept(pooled, positives, max(1.0, flow.expected(rows.entering)))
    return none_kept_of_some(flow.labelled * flow.prevalence, rows.entering, positives / pooled)


def _class_shares(flow: Stream, labels: LabelCounts | None) -> NDArray[np.float64] | None:
    """Return the share of rows per class as the loss is shown them; None where not known for all.

    A sampler that sets the prevalence of the class in focus leaves the others in their proportions;
    of several indicators it says nothing about the others.
    """
    if labels is None or labels.rows == 0:
        return None
    import numpy as np

    focus = focus_index(labels)
    if focus is None:
        return None
    shares = np.asarray(labels.counts / labels.rows, dtype=np.float64)
    own = shares[focus]
    if flow.prevalence == own:
        return shares
    if labels.kind == "indicator":
        return np.array([flow.prevalence]) if len(shares) == 1 else None
    if own < 1:
        shares *= (1 - flow.prevalence) / (1 - own)
    shares[focus] = flow.prevalence
    return shares


def _quota_shares(
    flow: Stream, plan: TrainingPlan, labels: LabelCounts | None
) -> tuple[NDArray[np.float64], int]:
    """Return the shares of the values that the quota sampler tells apart, and the index in focus.

    Shape [C] where each row has one class. Indicators are one binary loss per column: shape [L, 2],
    negatives first. Without labels the other classes of the plan share the rest equally.
    """
    import numpy as np

    shares = _class_shares(flow, labels)
    if labels is not None and labels.kind == "classes" and shares is not None:
        return shares, focus_index(labels) or 0
    if labels is not None and shares is not None and len(shares) > 1:
        return np.stack([1 - shares, shares], axis=-1), focus_index(labels) or 0
    others = min(max(1, (plan.num_classes or 1) - 1), _MOST_OTHERS) if labels is None else 1
    return np.array([(1 - flow.prevalence) / others] * others + [flow.prevalence]), others


def _kept_per_class(rows: NDArray[np.float64], labels: LabelCounts | None) -> tuple[float, ...]:
    if rows.ndim > 1:
        rows = rows[:, 1]
    elif labels is not None and labels.kind == "indicator":
        rows = rows[1:]
    return tuple(rows.tolist())


def _quantile_floor(quantile: float | None, prevalence: float | None) -> float | None:
    if quantile is None or not prevalence:
        return None
    return max(0.0, 1 - quantile / prevalence)


def _band(plan: TrainingPlan) -> tuple[float | None, float | None]:
    """Return the lower edge and the width of the FPR band.

    An alpha outside ``[0, beta)`` is no edge of a band but the weight of a focal loss in the same plan.
    """
    if plan.beta is None or plan.alpha is None or not 0 <= plan.alpha < plan.beta:
        return None, None
    return plan.alpha, plan.beta - plan.alpha


def band_fpr_inflation(negatives: float | None, beta: float | None) -> float | None:
    """Return the realised false-positive rate at the band's upper edge, over beta.

    The edge is the order statistic ``sorted[ceil((1 - beta) (n - 1))]``, below which on average
    ``(floor(beta (n - 1)) + 1) / (n + 1)`` of the population lies on the wrong side: with 50 negatives
    and a beta of 0.005 it is 3.9 times the budget.
    """
    if negatives is None or not beta:
        return None
    count = round(negatives)
    if count < 1:
        return None
    above = math.floor(beta * (count - 1) * (1 + 1e-12)) + 1
    return ratio(above, (count + 1) * beta)


# Relative standard deviation of the AP estimate, times sqrt(positives + 2), by prevalence: geometric
# means of the measured values.
_SPREAD_AT: Sequence[tuple[float, float]] = ((0.002, 3.355), (0.01, 2.03), (0.05, 1.304))


def ap_spread(positives: float | None, prevalence: float | None) -> float | None:
    """Return the relative standard deviation of the AP estimate on a pool.

    ``c / sqrt(P + 2)`` with c interpolated in the logarithm of the prevalence and held constant
    outside 0.2 % to 5 %. Fitted to 19 measured values (prevalence 0.2, 1 and 5 %, P from 1 to 100):
    18 of them are met within 18 %, the other (P = 10 at 1 %, which two measurements put at 0.48 and
    0.56) within 22 %. The 2 stands for the levelling off below five positives, where AP is bounded.
    """
    if positives is None or not prevalence:
        return None
    position = math.log(clamp(prevalence, _SPREAD_AT[0][0], _SPREAD_AT[-1][0]))
    constant = _SPREAD_AT[-1][1]
    for (low, at_low), (high, at_high) in pairwise(_SPREAD_AT):
        if position <= math.log(high):
            part = (position - math.log(low)) / math.log(high / low)
            constant = at_low * (at_high / at_low) ** part
            break
    return constant / math.sqrt(positives + 2)
