"""The losses that are trained against each other, by name, and the loss that a plan asks for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import RANKING_LOSSES, TrainingPlan
from imbalance_doctor.lab.advice.training import Loss
from imbalance_doctor.losses import PAUCAtBudgetLoss, SigmoidFocalLoss, SmoothAPLoss

__all__ = ["BASELINE", "FOCAL", "MINED", "MinedBCE", "fixed_arms", "key_of", "loss_of"]

BASELINE, FOCAL, MINED = "bce", "sigmoid-focal", "mined-weighted-bce"
_FIELDS = {
    "bce": (),
    "weighted-bce": ("pos_weight",),
    "sigmoid-focal": ("gamma", "alpha"),
    "smooth-ap": ("queue_size", "temperature", "max_pool_size"),
    "pauc-at-budget": (
        "queue_size",
        "temperature",
        "max_pool_size",
        "alpha",
        "beta",
        "surrogate",
        "tau_scale",
    ),
}
"""What a loss is built from; two plans with the same values are one arm."""
_ARGUMENTS = {"smooth-ap": SmoothAPLoss, "pauc-at-budget": PAUCAtBudgetLoss}
_SHARE = 0.1
_BAND = 0.02  # false-alarm budget where the world has enough negatives for it
_LEAST = 1024
_MOST = 8192


class MinedBCE(nn.Module):
    """Weighted BCE over the positives and the hardest tenth of the negatives of each batch.

    Parameters
    ----------
    prevalence
        Of the data, 0-1. Positives together weigh as much as the negatives kept, but never less than in
        plain BCE.
    """

    def __init__(self, prevalence: float) -> None:
        super().__init__()
        self.pos_weight = max(1.0, _SHARE * (1 - prevalence) / prevalence)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cost of the rows kept; logits and targets [B, 1]."""
        positive = targets > 0
        hardest = logits[~positive]
        hardest = hardest.topk(max(1, round(_SHARE * len(hardest)))).values if len(hardest) else hardest
        cost = (
            functional.softplus(hardest).sum()
            + self.pos_weight * functional.softplus(-logits[positive]).sum()
        )
        return cost / max(1, len(hardest))


def fixed_arms(prevalence: float, rows: int, batch: int, spread: float) -> Mapping[str, TrainingPlan | None]:
    """Return the fixed arms by name, as plans; None for the one that is no loss of a plan.

    Parameters
    ----------
    prevalence
        Of the training rows, 0-1.
    rows
        Training rows.
    batch
        Rows of a batch.
    spread
        Standard deviation of the logits of the tuned BCE baseline: ranking temperatures are a tenth of it.
    """
    odds = (1 - prevalence) / prevalence
    queue = min(rows, _MOST, max(_LEAST, 4 * batch))
    return {
        BASELINE: TrainingPlan(loss="bce"),
        "weighted-bce": TrainingPlan(loss="weighted-bce", pos_weight=float(f"{odds:.3g}")),
        "root-weighted-bce": TrainingPlan(loss="weighted-bce", pos_weight=float(f"{odds**0.5:.3g}")),
        FOCAL: TrainingPlan(loss="sigmoid-focal", gamma=2.0, alpha=-1.0),
        "smooth-ap": TrainingPlan(
            loss="smooth-ap", queue_size=queue, temperature=float(f"{spread / 10:.3g}")
        ),
        "pauc-at-budget": TrainingPlan(
            loss="pauc-at-budget", queue_size=queue, temperature=0.1, alpha=0.0,
            beta=max(_BAND if prevalence > _BAND / 10 else 0.005, 10 / (queue + batch)),
            surrogate="pairwise", tau_scale="iqr",
        ),
        MINED: None,
    }  # fmt: skip


def key_of(plan: TrainingPlan | None) -> str:
    """Name what a plan trains, with every value that its loss is built from."""
    if plan is None:
        return MINED
    values = {field: getattr(plan, field) for field in _FIELDS.get(plan.loss or "", ())}
    said = [
        f"{field}={value:g}" if isinstance(value, (int, float)) else f"{field}={value}"
        for field, value in values.items()
        if value is not None
    ]
    return " ".join([plan.loss or "", *said])


def loss_of(plan: TrainingPlan | None, prevalence: float) -> Loss:
    """Build the loss that a plan asks for; None is the mined one.

    Raises
    ------
    InputError
        A loss that the lab does not train.
    """
    if plan is None:
        return MinedBCE(prevalence)
    if plan.loss == "bce":
        return functional.binary_cross_entropy_with_logits
    if plan.loss == "weighted-bce":
        weight = torch.tensor(float(plan.pos_weight or 1))
        return lambda x, y: functional.binary_cross_entropy_with_logits(x, y, pos_weight=weight)
    if plan.loss == "sigmoid-focal":
        return SigmoidFocalLoss(alpha=-1 if plan.alpha is None else plan.alpha, gamma=plan.gamma or 0.0)
    if plan.loss in _ARGUMENTS and plan.loss in RANKING_LOSSES:
        given = {
            field: getattr(plan, field) for field in _FIELDS[plan.loss] if getattr(plan, field) is not None
        }
        ranked: nn.Module = _ARGUMENTS[plan.loss](num_classes=1, **given)

        def cost(x: Tensor, y: Tensor) -> Tensor:
            with warnings.catch_warnings():  # a first pool without positives is no news here
                warnings.simplefilter("ignore", UserWarning)
                found: Tensor = ranked(x, y[:, 0].long())
            return found

        return cost
    raise InputError(f"expected a loss that the lab trains ({', '.join(_FIELDS)}), but got {plan.loss}")
