"""What one batch holds: positives per step, and how often it holds none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts._numbers import product, ratio
from imbalance_doctor.facts._stream import labelled_share, rows_per_sample, stream
from imbalance_doctor.facts.base import Evidence, Facts

_P = ("labels",)
_B = ("labels", "plan.batch_size")
_ALL = (*_B, "plan.world_size")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Facts of a batch as the loss sees it."""

    after: ClassVar[tuple[str, ...]] = ("labels",)

    prevalence: float | None = described(
        "prevalence in the batches: that of the sampler where one is set, else of the labels",
        unit="share",
        needs=_P,
    )
    size: int | None = described(
        "labelled rows in one worker's batch (samples x rows per sample, less ignored rows)",
        unit="rows",
        needs=("plan.batch_size",),
    )
    global_size: int | None = described(
        "labelled rows in the batches of all workers together",
        unit="rows",
        needs=("plan.batch_size", "plan.world_size"),
    )
    expected_positives: float | None = described(
        "positives in one worker's batch, on average", unit="rows", needs=_B
    )
    expected_positives_global: float | None = described(
        "positives in the batches of all workers together, on average", unit="rows", needs=_ALL
    )
    no_positive_probability: float | None = described(
        "probability that one worker's batch holds no positive", unit="share", needs=_B
    )
    no_positive_probability_global: float | None = described(
        "probability that the batches of all workers together hold no positive",
        unit="share",
        needs=_ALL,
    )
    gap: float | None = described(
        "batches between two appearances of the class in focus, on average (1: in every batch)",
        unit="batches",
        needs=_B,
    )
    per_epoch: int | None = described("batches per epoch and worker", unit="batches", needs=_ALL)
    positives_per_epoch: float | None = described(
        "positives shown to the loss per epoch, all workers together", unit="rows", needs=_P
    )
    distinct_positives_in_run: int | None = described(
        "different positives that the whole run can learn from", unit="rows", needs=_P
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the batch; None when neither labels, a prevalence nor a batch size is known.

        Batches without a positive are counted exactly: without replacement under plain shuffling of
        known labels, with replacement where only a prevalence is known or a weighted sampler draws,
        and as whole numbers around the average under a stratified sampler (each worker by itself). Rows
        in the order of a file leave these probabilities unknown.
        """
        plan, labels = evidence.plan, evidence.labels
        flow = stream(plan, labels, facts.value("labels.positives"))
        if flow is None and labels is None and plan.batch_size is None:
            return None
        prevalence = None if flow is None else flow.prevalence
        distinct: int | None = facts.value("labels.positives")
        shown = product(prevalence, None if labels is None else labels.rows)
        if plan.batch_size is None:
            return cls(prevalence=prevalence, positives_per_epoch=shown, distinct_positives_in_run=distinct)

        workers = plan.world_size
        per_sample = rows_per_sample(plan, labels)
        rows = plan.batch_size * per_sample
        rows_global = None if workers is None else rows * workers
        labelled = labelled_share(labels)
        log_none = None if flow is None else flow.log_none(rows)
        log_none_global = None
        if flow is not None and log_none is not None and workers is not None and rows_global is not None:
            log_none_global = log_none * workers if flow.evenly else flow.log_none(rows_global)
        per_epoch = None
        if labels is not None and rows_global is not None:
            whole, rest = divmod(labels.rows + labels.ignored, rows_global)
            per_epoch = whole if plan.drop_last or not rest else whole + 1
        return cls(
            prevalence=prevalence,
            size=round(rows * labelled),
            global_size=None if rows_global is None else round(rows_global * labelled),
            expected_positives=None if flow is None else flow.expected(rows),
            expected_positives_global=(
                None if flow is None or rows_global is None else flow.expected(rows_global)
            ),
            no_positive_probability=None if log_none is None else math.exp(log_none),
            no_positive_probability_global=None if log_none_global is None else math.exp(log_none_global),
            gap=None if log_none is None else ratio(-1, math.expm1(log_none)),
            per_epoch=per_epoch,
            positives_per_epoch=shown,
            distinct_positives_in_run=distinct,
        )
