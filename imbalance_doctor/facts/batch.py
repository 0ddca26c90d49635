"""What one batch holds: positives per step, and how often it holds none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts

_P = ("labels",)
_B = ("labels", "plan.batch_size")


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
        "positives in the batches of all workers together, on average", unit="rows", needs=_B
    )
    no_positive_probability: float | None = described(
        "probability that one worker's batch holds no positive", unit="share", needs=_B
    )
    no_positive_probability_global: float | None = described(
        "probability that the batches of all workers together hold no positive",
        unit="share",
        needs=_B,
    )
    gap: float | None = described(
        "batches between two appearances of the class in focus, on average (1: in every batch)",
        unit="batches",
        needs=_B,
    )
    per_epoch: int | None = described("batches per epoch and worker", unit="batches", needs=_B)
    positives_per_epoch: float | None = described(
        "positives shown to the loss per epoch, all workers together", unit="rows", needs=_P
    )
    distinct_positives_in_run: int | None = described(
        "different positives that the whole run can learn from", unit="rows", needs=_P
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the batch; None when neither a prevalence nor a batch size is known."""
        raise NotImplementedError
