"""What gamma and alpha do to a focal loss: saturation, class balance, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts


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
        "probability that minimises the loss where the true one is the prevalence",
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
        """Measure the modulation; None when the plan has neither gamma, alpha nor class weights."""
        raise NotImplementedError
