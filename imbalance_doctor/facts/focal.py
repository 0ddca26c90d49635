"""What gamma and alpha do to a focal loss: saturation, class balance, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Self

from imbalance_doctor.evidence import RANKING_LOSSES, LabelCounts, TrainingPlan, described
from imbalance_doctor.facts._focal import best_logit, best_shares, sigmoid
from imbalance_doctor.facts._numbers import ratio
from imbalance_doctor.facts.base import Evidence, Facts
from imbalance_doctor.facts.labels import focus_index

# Smallest logit at which the gradient of the reference's focal losses is not finite for gamma 0.5 (the same
# for every gamma strictly between 0 and 1), with the other logits at 0. torch 2.13.
_SIGMOID_SATURATION: Mapping[str, float] = MappingProxyType(
    {"fp64": 36.75, "fp32": 16.65, "fp16": 8.35, "bf16": 6.25}
)
_SOFTMAX_CLASSES = (2, 10, 1000)
_SOFTMAX_SATURATION: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "fp64": (36.75, 37.45, 41.6),
        "fp32": (16.65, 16.65, 22.9),
        "fp16": (7.65, 9.85, 14.55),
        "bf16": (5.55, 7.75, 12.5),
    }
)
_EASY = 0.9


@dataclass(frozen=True, kw_only=True)
class Focal:
    """Facts of the focal modulation."""

    after: ClassVar[tuple[str, ...]] = ("labels", "batch")

    saturation_logit: float | None = described(
        "smallest logit at which the unguarded gradient turns non-finite for 0 < gamma < 1, "
        "in the plan's precision",
        unit="logit",
        needs=("plan.loss", "plan.precision"),
    )
    saturation_used: float | None = described(
        "largest absolute score over that logit", needs=("plan.score_absmax", "plan.precision")
    )
    positive_weight: float | None = described(
        "weight of a positive over the weight of a negative: alpha / (1 - alpha); 1 when alpha is off",
        needs=("plan.alpha",),
    )
    positive_pull: float | None = described(
        "share of the first step's gradient that comes from positives at score 0",
        unit="share",
        needs=("labels", "plan.alpha"),
    )
    class_weight_ratio: float | None = described(
        "largest over smallest non-zero class weight", needs=("plan.class_weights",)
    )
    zero_class_weights: int | None = described("classes whose weight is 0", needs=("plan.class_weights",))
    class_weights_count: int | None = described("class weights given", needs=("plan.class_weights",))
    calibrated_probability: float | None = described(
        "probability that minimises the loss where the true one is the prevalence in the data",
        unit="share",
        needs=("labels", "plan.gamma"),
    )
    calibration_inflation: float | None = described(
        "that probability over the true one", needs=("labels", "plan.gamma")
    )
    easy_gradient_share: float | None = described(
        "gradient of an easy row (p_t 0.9) relative to cross-entropy",
        unit="share",
        needs=("plan.gamma",),
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the modulation; None when the plan has neither gamma, alpha nor class weights.

        The alpha of a pAUC loss is the edge of its band, not a weight, and is left out here.
        """
        plan, labels = evidence.plan, evidence.labels
        alpha = None if plan.loss == "pauc-at-budget" else plan.alpha
        if plan.loss in RANKING_LOSSES and plan.gamma is None:
            return None
        if plan.gamma is None and alpha is None and plan.class_weights is None:
            return None
        saturation = _saturation(plan, labels)
        weights = plan.class_weights
        present = [w for w in weights or () if w > 0]
        true = facts.value("labels.prevalence") if labels is not None else plan.prevalence
        best = _calibrated(plan, labels, true, alpha)
        return cls(
            saturation_logit=saturation,
            saturation_used=ratio(plan.score_absmax, saturation),
            positive_weight=None if alpha is None else 1.0 if alpha < 0 else ratio(alpha, 1 - alpha),
            positive_pull=positive_pull(facts.value("batch.prevalence"), alpha),
            class_weight_ratio=ratio(max(present), min(present)) if present else None,
            zero_class_weights=None if weights is None else len(weights) - len(present),
            class_weights_count=None if weights is None else len(weights),
            calibrated_probability=best,
            calibration_inflation=ratio(best, true),
            easy_gradient_share=None if plan.gamma is None else gradient_share(_EASY, plan.gamma),
        )


def _saturation(plan: TrainingPlan, labels: LabelCounts | None) -> float | None:
    """Return the measured logit; between measured class counts linear in their logarithm."""
    if plan.precision is None:
        return None
    if plan.loss != "softmax-focal":
        return _SIGMOID_SATURATION.get(plan.precision)
    values = _SOFTMAX_SATURATION.get(plan.precision)
    classes = plan.num_classes or (None if labels is None else max(2, len(labels.classes)))
    if values is None or classes is None:
        return None
    for i, upper in enumerate(_SOFTMAX_CLASSES):
        if classes <= upper:
            if i == 0:
                return values[0]
            lower = _SOFTMAX_CLASSES[i - 1]
            part = math.log(classes / lower) / math.log(upper / lower)
            return values[i - 1] + part * (values[i] - values[i - 1])
    return values[-1]


def positive_pull(prevalence: float | None, alpha: float | None) -> float | None:
    """Return ``pi a / (pi a + (1 - pi) (1 - a))``; the prevalence itself when alpha is off."""
    if prevalence is None or alpha is None:
        return None
    if alpha < 0:
        return prevalence
    return ratio(prevalence * alpha, prevalence * alpha + (1 - prevalence) * (1 - alpha))


def gradient_share(probability: float, gamma: float) -> float:
    """Return the gradient of the focal loss over that of cross-entropy at p_t.

    ``(1 - p)^gamma (1 - gamma p log p / (1 - p))``. At 0.9 and gamma 2 that is 2.9 %, while the ratio
    of the *losses* is 1 %.
    """
    rest = 1 - probability
    return float(rest**gamma) * (1 - gamma * probability * math.log(probability) / rest)


def _calibrated(
    plan: TrainingPlan, labels: LabelCounts | None, true: float | None, alpha: float | None
) -> float | None:
    """Return the minimiser of the focal risk for the class in focus.

    Softmax over several classes: at a row whose true probabilities are the class shares.
    """
    gamma = plan.gamma
    if gamma is None or true is None:
        return None
    if plan.loss != "softmax-focal":
        own, other = (1.0, 1.0) if alpha is None or alpha < 0 else (alpha, 1 - alpha)
        return _two_classes(true * own, (1 - true) * other, gamma)
    if labels is None:
        return _two_classes(true, 1 - true, gamma) if plan.class_weights is None else None
    focus = focus_index(labels)
    weights = plan.class_weights or (1.0,) * len(labels.classes)
    if labels.kind != "classes" or focus is None or len(weights) != len(labels.classes):
        return None
    shares = [float(n) / labels.rows * w for n, w in zip(labels.counts.tolist(), weights, strict=True)]
    if len(shares) == 2:  # noqa: PLR2004  two classes
        return _two_classes(shares[focus], shares[1 - focus], gamma)
    best = best_shares(tuple(shares), gamma)
    return None if best is None else best[focus]


def _two_classes(positive: float, negative: float, gamma: float) -> float | None:
    best = best_logit(positive, negative, gamma)
    if best is None or math.isinf(best):
        return None if best is None else float(best > 0)
    return sigmoid(best)
