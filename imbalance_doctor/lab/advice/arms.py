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
from imbalance_doctor.losses import MinedBCELoss, PAUCAtBudgetLoss, SigmoidFocalLoss, SmoothAPLoss

__all__ = ["BASELINE", "FOCAL", "MINED", "fixed_arms", "key_of", "loss_of", "mined_weight"]

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
_SHARE = 0.1  # of the negatives kept by mining
_ROUNDED = 0.01  # plans carry their weight in three digits
_BAND = 0.02  # false-alarm budget where the world has enough negatives for it
_LEAST = 1024
_MOST = 8192


def mined_weight(prevalence: float) -> float:
    """Return the weight with which all positives weigh as much as the negatives kept, but at least 1."""
    return max(1.0, _SHARE * (1 - prevalence) / prevalence)


def fixed_arms(prevalence: float, rows: int, batch: int, spread: float) -> Mapping[str, TrainingPlan]:
    """Return the fixed arms by name, as plans.

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
        MINED: TrainingPlan(
            loss="weighted-bce", hard_example_mining=True, pos_weight=float(f"{mined_weight(prevalence):.3g}")
        ),
    }  # fmt: skip


def key_of(plan: TrainingPlan) -> str:
    """Name what a plan trains, with every value that its loss is built from.

    Mining has one name: its weight follows from the prevalence, and :func:`loss_of` takes no other.
    """
    if _mines(plan):
        return MINED
    values = {field: getattr(plan, field) for field in _FIELDS.get(plan.loss or "", ())}
    said = [
        f"{field}={value:g}" if isinstance(value, (int, float)) else f"{field}={value}"
        for field, value in values.items()
        if value is not None
    ]
    return " ".join([plan.loss or "", *said])


def _mines(plan: TrainingPlan) -> bool:
    return plan.loss == "weighted-bce" and bool(plan.hard_example_mining)


def loss_of(plan: TrainingPlan, prevalence: float) -> Loss:
    """Build the loss that a plan asks for.

    Raises
    ------
    InputError
        A loss that the lab does not train, or mined negatives with another weight than that of
        :func:`mined_weight`.
    """
    if _mines(plan):
        weight = mined_weight(prevalence)
        if plan.pos_weight is None or abs(plan.pos_weight / weight - 1) > _ROUNDED:
            raise InputError(
                f"expected a pos_weight of {weight:.3g} with mined negatives, but got {plan.pos_weight}"
            )
        return MinedBCELoss(weight, _SHARE)
    if plan.loss == "bce":
        return functional.binary_cross_entropy_with_logits
    if plan.loss == "weighted-bce":
        given_weight = torch.tensor(float(plan.pos_weight or 1))
        return lambda x, y: functional.binary_cross_entropy_with_logits(x, y, pos_weight=given_weight)
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
