"""What a step of the loss costs: memory and operations, dense reference form against ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts

_N = ("labels", "plan.loss", "plan.batch_size")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Facts of cost, per step and worker."""

    after: ClassVar[tuple[str, ...]] = ("labels", "batch", "pool")

    bytes_dense: float | None = described(
        "peak memory of the loss in the dense form of the reference", unit="bytes", needs=_N
    )
    bytes_linear: float | None = described(
        "peak memory of the loss in the linear form of this project", unit="bytes", needs=_N
    )
    bytes_planned: float | None = described(
        "peak memory of the loss as planned: linear for imbalance_doctor, else dense",
        unit="bytes",
        needs=_N,
    )
    operations_dense: float | None = described(
        "score comparisons or row evaluations per step, dense form", unit="operations", needs=_N
    )
    operations_linear: float | None = described("the same in the linear form", unit="operations", needs=_N)
    queue_bytes: float | None = described(
        "memory of the queue itself", unit="bytes", needs=("plan.queue_size", "plan.num_classes")
    )
    budget_share: float | None = described(
        "planned peak memory over the memory budget", needs=(*_N, "plan.memory_budget")
    )
    dense_budget_share: float | None = described(
        "dense peak memory over the memory budget", needs=(*_N, "plan.memory_budget")
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Estimate the cost; None without a loss."""
        raise NotImplementedError
