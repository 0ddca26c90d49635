"""What the pool of a ranking loss holds: live batch, gathered batches and queue, then the cap.

Measured only for a plan that sets a queue (by itself or through its loss). Formulas and their
measured agreement: ``reference`` sections named in each helper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts

_SIZE = ("plan.batch_size", "plan.queue_size")
_P = ("labels", *_SIZE)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Facts of the pool."""

    after: ClassVar[tuple[str, ...]] = ("labels", "batch")

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
        "queue size over labelled rows: above 1 the queue holds the same row more than once",
        unit="epochs",
        needs=("labels", "plan.queue_size"),
    )
    useful_queue: float | None = described(
        "queue rows that carry a label (ignored rows take places too)",
        unit="rows",
        needs=("labels", "plan.queue_size"),
    )
    pairs_per_spread: float | None = described(
        "pool size x temperature / score spread: how many rows a soft rank averages over",
        needs=(*_SIZE, "plan.temperature", "plan.score_std"),
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the pool; None when the plan has no queue and no ranking loss."""
        raise NotImplementedError
