"""What a step of the loss costs: memory and operations, dense reference form against ours.

Memory is the peak of forward and backward above the logits themselves. The dense constants were read off
the reference (torch 2.13, tensors alive at each operation) in units of one logit; they hold to about
a quarter. The linear form of Smooth-AP follows trial runs from 4,096 to 262,144 rows and 1 to 80 classes
within a factor of 1.8 from 16,384 rows on (2.8 below); the other linear forms are counted, not measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Self

from imbalance_doctor.evidence import RANKING_LOSSES, TrainingPlan, described
from imbalance_doctor.facts._numbers import product, ratio
from imbalance_doctor.facts._stream import rows_per_sample
from imbalance_doctor.facts.base import Evidence, Facts

_BYTES: Mapping[str, int] = MappingProxyType({"fp64": 8, "fp32": 4, "bf16": 2, "fp16": 2})
_SOFTMAX = ("ce", "weighted-ce", "softmax-focal")
_QUEUE_ROW = 8 + 1 + 4  # target, iid flag and weight beside the float32 logits

# Logits per output held at the peak, and per row: (dense per output, dense per row, linear per output).
_POINTWISE: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "bce": (2, 0, 2),
        "weighted-bce": (6, 0, 6),
        "ce": (3, 0, 3),
        "weighted-ce": (3, 0, 3),
        "sigmoid-focal": (10, 0, 2),  # ours: value and gradient in one pass
        "softmax-focal": (3.85, 5.6, 3),
    }
)

_N = ("labels", "plan.loss", "plan.batch_size", "plan.world_size")


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
        plan = evidence.plan
        if plan.loss is None:
            return None
        work = _ranking(plan, facts) if plan.loss in RANKING_LOSSES else _pointwise(evidence, facts)
        ours = plan.implementation == "imbalance_doctor"
        planned = None if work is None else work.bytes_linear if ours else work.bytes_dense
        dense = None if work is None else work.bytes_dense
        outputs = _outputs(plan, facts)
        queued = plan.loss in RANKING_LOSSES and outputs is not None
        return cls(
            bytes_dense=dense,
            bytes_linear=None if work is None else work.bytes_linear,
            bytes_planned=planned,
            operations_dense=None if work is None else work.operations_dense,
            operations_linear=None if work is None else work.operations_linear,
            queue_bytes=product(plan.queue_size, 4 * (outputs or 1) + _QUEUE_ROW) if queued else None,
            budget_share=ratio(planned, plan.memory_budget),
            dense_budget_share=ratio(dense, plan.memory_budget),
        )


class _Work(NamedTuple):
    bytes_dense: float
    bytes_linear: float
    operations_dense: float
    operations_linear: float


def _outputs(plan: TrainingPlan, facts: Facts) -> int | None:
    """Return the outputs of the classifier: as planned, else as the labels and the loss need."""
    if plan.num_classes is not None:
        return plan.num_classes
    if (facts.value("labels.task") or plan.task) == "binary":
        return 2 if plan.loss in _SOFTMAX else 1
    classes: int | None = facts.value("labels.num_classes")
    return classes


def _pointwise(evidence: Evidence, facts: Facts) -> _Work | None:
    """Count a loss that looks at each row by itself; ignored rows are computed too."""
    plan = evidence.plan
    outputs = _outputs(plan, facts)
    if plan.batch_size is None or outputs is None or plan.precision is None or plan.loss is None:
        return None
    if plan.loss not in _POINTWISE:
        return None
    rows = plan.batch_size * rows_per_sample(plan, evidence.labels)
    width = _BYTES[plan.precision]
    dense, per_row, linear = _POINTWISE[plan.loss]
    return _Work(
        bytes_dense=width * rows * (dense * outputs + per_row),
        bytes_linear=width * rows * linear * outputs,
        operations_dense=float(rows * outputs),
        operations_linear=float(rows * outputs),
    )


def _ranking(plan: TrainingPlan, facts: Facts) -> _Work | None:
    """Count a loss over a pool of M rows in which class c has P_c positives."""
    size = facts.value("pool.seen_size")
    outputs = _outputs(plan, facts)
    positives = _positives(facts, outputs)
    if size is None or outputs is None or positives is None or plan.precision is None:
        return None
    width = _BYTES[plan.precision]
    if plan.loss == "smooth-ap":
        return _smooth_ap(size, outputs, positives, width)
    return _threshold(plan, size, outputs, positives, width)


def _positives(facts: Facts, outputs: int | None) -> tuple[float, ...] | None:
    """Return the positives of every class that is ranked.

    Where only a prevalence is known, the rest of the rows counts as one class: no split of it costs
    more.
    """
    own = facts.value("pool.expected_positives")
    if own is None or outputs is None:
        return None
    if outputs == 1:
        return (own,)
    if facts.value("labels.rows") is None:
        return (own, facts.value("pool.expected_negatives"))
    per_class: tuple[float, ...] | None = facts.value("pool.class_positives")
    return per_class


def _sort(size: float) -> float:
    return size * max(1.0, math.log2(max(size, 1)))


def _smooth_ap(size: int, outputs: int, positives: tuple[float, ...], width: int) -> _Work:
    """Count Smooth-AP: a P_c x M matrix per class, or sums on a grid.

    Dense: the sigmoid and its mask stay until backward (5 bytes a pair in float32), and while a class is
    worked on 14. Linear: chosen by cost, so never above dense.
    """
    total, largest = math.fsum(positives), max(positives)
    pairs = size * total
    dense = size * ((width + 1) * (total - largest) + (3 * width + 2) * largest)
    grid = 1.5e6 + size * (14 + 17.6 * outputs)
    return _Work(
        bytes_dense=dense,
        bytes_linear=min(dense, grid),
        operations_dense=pairs,
        operations_linear=min(pairs, _sort(size) * outputs),
    )


def _threshold(
    plan: TrainingPlan, size: int, outputs: int, positives: tuple[float, ...], width: int
) -> _Work:
    """Count Recall-at-Quantile and pAUC: a sort per class in the reference, a partition in ours.

    Pairwise pAUC adds each positive against each negative of the band: one logit a pair until
    backward, three while a class is worked on.
    """
    per_row = 4.0 if plan.loss == "recall-at-quantile" else 5.5
    dense = width * size * (per_row + 3.25 * outputs)
    linear = min(dense, 16.0 * size * outputs)  # a working copy and the gradient
    knots = (plan.n_knots or 2) if plan.loss == "pauc-at-budget" else 1
    reads = knots * math.fsum(positives)
    sorts, partitions = outputs * _sort(size) + reads, outputs * float(size) + reads
    if plan.loss == "pauc-at-budget" and plan.surrogate == "pairwise":
        band = max(0.0, (plan.beta or 0.0) - max(0.0, plan.alpha or 0.0))
        pairs = [p * (size - p) * band for p in positives]
        matrix = width * (math.fsum(pairs) + 2 * max(pairs))
        grid = 1.5e6 + size * (14 + 17.6 * outputs)
        dense += matrix
        linear += min(matrix, grid)
        sorts += math.fsum(pairs)
        partitions += min(math.fsum(pairs), _sort(size) * outputs)
    return _Work(
        bytes_dense=dense,
        bytes_linear=linear,
        operations_dense=sorts,
        operations_linear=min(sorts, partitions),
    )
