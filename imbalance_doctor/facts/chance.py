"""Chance levels: what each loss and metric shows when the scores say nothing about these labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts

_L = ("labels",)
_P = ("labels", "plan.batch_size", "plan.queue_size")


@dataclass(frozen=True, kw_only=True)
class Chance:
    """Loss and metric values of scores that carry no information."""

    after: ClassVar[tuple[str, ...]] = ("labels", "batch", "pool")

    bce: float | None = described(
        "BCE of always predicting the prior (entropy of the prior of the class in focus)",
        unit="nats",
        needs=_L,
    )
    bce_untrained: float | None = described("BCE at probability one half: ln 2", unit="nats", needs=_L)
    cross_entropy: float | None = described(
        "cross-entropy of always predicting the class shares", unit="nats", needs=_L
    )
    cross_entropy_untrained: float | None = described(
        "cross-entropy of uniform predictions: ln C", unit="nats", needs=_L
    )
    sigmoid_focal: float | None = described(
        "lowest sigmoid focal loss that a constant score reaches, with the plan's gamma and alpha",
        unit="nats",
        needs=(*_L, "plan.gamma"),
    )
    softmax_focal_untrained: float | None = described(
        "softmax focal loss of uniform predictions, without class weights",
        unit="nats",
        needs=(*_L, "plan.gamma"),
    )
    smooth_ap: float | None = described("Smooth-AP loss at equal scores: 1 - (P + 1) / (M + 1)", needs=_P)
    recall_at_quantile: float | None = described("Recall-at-Quantile loss at equal scores", needs=_L)
    recall_at_quantile_floor: float | None = described(
        "Recall-at-Quantile loss of a perfect ranking on this pool", needs=(*_P, "plan.quantile")
    )
    pauc_at_budget: float | None = described(
        "pAUC loss at equal scores: the class is skipped, exactly 0", needs=_L
    )
    accuracy: float | None = described(
        "accuracy of always answering the largest class", unit="share", needs=_L
    )
    average_precision: float | None = described("average precision of random scores", unit="share", needs=_L)
    roc_auc: float | None = described("ROC AUC of random scores", unit="share", needs=_L)
    recall_at_quantile_metric: float | None = described(
        "recall of random scores among the top q", unit="share", needs=("plan.metric_quantile",)
    )
    partial_auc_metric: float | None = described(
        "normalised partial AUC of random scores in the FPR band",
        unit="share",
        needs=("plan.metric_fpr_high",),
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Compute the chance levels; None without labels."""
        raise NotImplementedError
