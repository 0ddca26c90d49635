"""Chance levels: what each loss and metric shows when the scores say nothing about these labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import TrainingPlan, described
from imbalance_doctor.facts._focal import best_logit, risk
from imbalance_doctor.facts._numbers import ratio
from imbalance_doctor.facts.base import Evidence, Facts

_EULER = 0.5772156649015329

_L = ("labels",)
_P = ("labels", "plan.batch_size", "plan.queue_size", "plan.world_size")


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
        """Compute the chance levels; None without labels.

        Losses are taken at the prevalence the loss sees (that of the sampler, where one is set),
        metrics at that of the labels.
        """
        if evidence.labels is None:
            return None
        plan = evidence.plan
        seen = facts.value("batch.prevalence")
        task = facts.value("labels.task")
        classes = None if task == "multilabel" else max(2, facts.value("labels.num_classes"))
        low = plan.metric_fpr_low or 0.0
        return cls(
            bce=None if seen is None else entropy(seen),
            bce_untrained=math.log(2),
            cross_entropy=None if classes is None else _cross_entropy(facts, task, seen),
            cross_entropy_untrained=None if classes is None else math.log(classes),
            sigmoid_focal=_sigmoid_focal(plan, seen),
            softmax_focal_untrained=(
                None
                if classes is None or plan.gamma is None
                else (1 - 1 / classes) ** plan.gamma * math.log(classes)
            ),
            smooth_ap=_smooth_ap(facts.value("pool.expected_positives"), facts.value("pool.seen_size")),
            recall_at_quantile=0.5,
            recall_at_quantile_floor=facts.value("pool.quantile_floor"),
            pauc_at_budget=0.0,
            accuracy=facts.value("labels.majority_share"),
            average_precision=average_precision(facts.value("labels.positives"), facts.value("labels.rows")),
            roc_auc=0.5,
            recall_at_quantile_metric=plan.metric_quantile,
            partial_auc_metric=(
                None
                if plan.metric_fpr_high is None or plan.metric_fpr_high <= low
                else (low + plan.metric_fpr_high) / 2
            ),
        )


def entropy(prevalence: float) -> float:
    """Return the entropy of a yes-or-no outcome in nats."""
    parts = (prevalence, 1 - prevalence)
    return -math.fsum(p * math.log(p) for p in parts if p > 0)


def _cross_entropy(facts: Facts, task: str, seen: float | None) -> float | None:
    """Return the entropy of the class shares as the loss sees them.

    A sampler that sets the prevalence of the class in focus leaves the other classes in their
    proportions, so the entropy splits into that of focus against rest and that within the rest.
    """
    own = facts.value("labels.prevalence")
    classes = facts.value("labels.effective_classes")
    if seen is None or own is None or classes is None:
        return None
    if task == "binary":
        return entropy(seen)
    within = math.log(classes) - entropy(own)  # = (1 - own) * entropy of the rest
    rest = ratio(1 - seen, 1 - own) or 0.0
    return entropy(seen) + rest * within


def _sigmoid_focal(plan: TrainingPlan, seen: float | None) -> float | None:
    if seen is None or plan.gamma is None:
        return None
    alpha = plan.alpha if plan.loss != "pauc-at-budget" else None
    own, other = (1.0, 1.0) if alpha is None or alpha < 0 else (alpha, 1 - alpha)
    positive, negative = seen * own, (1 - seen) * other
    best = best_logit(positive, negative, plan.gamma)
    return 0.0 if best is None else risk(best, positive, negative, plan.gamma)


def _smooth_ap(positives: float | None, size: int | None) -> float | None:
    """Return ``1 - (P + 1) / (M + 1)``: at equal scores every soft comparison is one half."""
    if positives is None or size is None:
        return None
    return 1 - (positives + 1) / (size + 1)


def average_precision(positives: int | None, rows: int | None) -> float | None:
    """Return the expected average precision of a random order of these rows.

    ``(P - 1) / (N - 1) + H_N / N * (N - P) / (N - 1)``, with H_N the harmonic number: near the
    prevalence, and above it where positives are few. None without positives.
    """
    if not positives or not rows:
        return None
    if rows == 1:
        return 1.0
    if rows < 100:  # noqa: PLR2004  below this the expansion loses digits
        harmonic = math.fsum(1 / i for i in range(1, rows + 1))
    else:
        harmonic = math.log(rows) + _EULER + 1 / (2 * rows) - 1 / (12 * rows**2)
    return (positives - 1) / (rows - 1) + harmonic / rows * (rows - positives) / (rows - 1)
