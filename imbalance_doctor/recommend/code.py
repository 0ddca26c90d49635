"""Code to paste for a recommended plan: plain torch where that is enough, the reference library, ours."""

from __future__ import annotations

from imbalance_doctor.evidence import LOSS_DEFAULTS, RANKING_LOSSES, TrainingPlan
from imbalance_doctor.facts.base import Facts

CLASS_NAMES = {
    "sigmoid-focal": "SigmoidFocalLoss",
    "softmax-focal": "SoftmaxFocalLoss",
    "smooth-ap": "SmoothAPLoss",
    "recall-at-quantile": "RecallAtQuantileLoss",
    "pauc-at-budget": "PAUCAtBudgetLoss",
}
_ARGUMENTS = {
    "sigmoid-focal": ("alpha", "gamma"),
    "softmax-focal": ("gamma",),
    "smooth-ap": ("queue_size", "temperature", "max_pool_size", "gather_distributed"),
    "recall-at-quantile": (
        "queue_size",
        "temperature",
        "max_pool_size",
        "gather_distributed",
        "quantile",
    ),
    "pauc-at-budget": (
        "queue_size",
        "temperature",
        "max_pool_size",
        "gather_distributed",
        "alpha",
        "beta",
        "surrogate",
        "tau_scale",
        "pos_numerator",
    ),
}


def code_for(plan: TrainingPlan, facts: Facts) -> dict[str, str]:
    """Return code by title, the simplest that does the job first."""
    titles: dict[str, str] = {}
    if plan.loss not in RANKING_LOSSES:
        titles["torch"] = _plain_torch(plan)
    if plan.loss in CLASS_NAMES:
        titles["imbalance_doctor"] = _library(plan, "imbalance_doctor.losses")
        titles["imbalanced_losses"] = _library(plan, "imbalanced_losses")
    return {title: text + _bias(plan, facts) for title, text in titles.items()}


def _library(plan: TrainingPlan, module: str) -> str:
    loss = plan.loss or ""
    name = CLASS_NAMES[loss]
    defaults = LOSS_DEFAULTS[loss]
    given = {field: getattr(plan, field) for field in _ARGUMENTS[loss]}
    arguments = [f"num_classes={plan.num_classes}"] if loss in RANKING_LOSSES else []
    if loss == "softmax-focal" and plan.class_weights:
        arguments.append(f"alpha={_weights(plan)}")
    arguments += [
        f"{field}={value!r}"
        for field, value in given.items()
        if value is not None and value != defaults.get(field)
    ]
    names, body = [name], f"loss_fn = {name}({', '.join(arguments)})\n"
    if plan.warmup_epochs is not None:
        names.append("LossWarmupWrapper")
        schedule = ("warmup_epochs", "temp_start", "temp_end", "temp_decay_steps", "final_main_weight")
        settings = [f"{f}={getattr(plan, f)!r}" for f in schedule if getattr(plan, f) is not None]
        warmup = "CrossEntropyLoss" if (plan.num_classes or 1) > 1 else "BCEWithLogitsLoss"
        body += (
            f"loss_fn = LossWarmupWrapper(torch.nn.{warmup}(), loss_fn, {', '.join(settings)})\n"
            "# call loss_fn.on_train_epoch_start(epoch) and loss_fn.on_train_batch_start(step)\n"
        )
    if module == "imbalanced_losses" and loss in RANKING_LOSSES and (plan.world_size or 1) > 1:
        body += (
            "# data parallelism averages the gathered loss once more: "
            f"call (loss_fn(logits, targets) * {plan.world_size}).backward()\n"
        )
    torch = "import torch\n" if "torch." in body else ""
    return f"{torch}from {module} import {', '.join(names)}\n\n{body}"


def _plain_torch(plan: TrainingPlan) -> str:
    if plan.loss == "sigmoid-focal":
        alpha = (
            ""
            if plan.alpha in (None, -1)
            else f"    loss = loss * ({plan.alpha!r} * targets + {1 - plan.alpha!r} * (1 - targets))\n"
        )
        return (
            "import torch\nimport torch.nn.functional as F\n\n\n"
            "def loss_fn(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:\n"
            '    """Focal loss; logits and 0/1 targets have one shape, targets are float."""\n'
            "    signed = (2 * targets - 1) * logits\n"
            f"    modulation = torch.exp({plan.gamma!r} * F.logsigmoid(-signed))\n"
            "    loss = modulation * F.softplus(-signed)\n"
            f"{alpha}    return loss.mean()\n"
        )
    if plan.loss == "softmax-focal":
        weights = (
            f", weight=torch.tensor({_literal(plan)}, device=logits.device)" if plan.class_weights else ""
        )
        return (
            "import torch\nimport torch.nn.functional as F\n\n\n"
            "def loss_fn(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:\n"
            '    """Focal loss; logits [N, C], class ids [N]."""\n'
            f'    ce = F.cross_entropy(logits, targets, reduction="none"{weights})\n'
            "    p_t = logits.softmax(-1).gather(-1, targets[:, None]).squeeze(-1)\n"
            f"    return ((1 - p_t) ** {plan.gamma!r} * ce).mean()\n"
        )
    if plan.loss in ("bce", "weighted-bce"):
        weight = (
            f"pos_weight=torch.tensor({plan.pos_weight:.4g})"
            if plan.loss == "weighted-bce" and plan.pos_weight is not None
            else ""
        )
        return f"import torch\n\nloss_fn = torch.nn.BCEWithLogitsLoss({weight})\n"
    weight = f"weight={_weights(plan)}" if plan.class_weights else ""
    return f"import torch\n\nloss_fn = torch.nn.CrossEntropyLoss({weight})\n"


def _literal(plan: TrainingPlan) -> str:
    return "[" + ", ".join(f"{w:.4g}" for w in plan.class_weights or ()) + "]"


def _weights(plan: TrainingPlan) -> str:
    return f"torch.tensor({_literal(plan)})"


def _bias(plan: TrainingPlan, facts: Facts) -> str:
    """Start the output bias at the prior, which spares the first steps of learning it."""
    prevalence = facts.value("labels.prevalence")
    task = facts.value("labels.task")
    if plan.loss not in ("bce", "sigmoid-focal") or task != "binary" or not prevalence:
        return ""
    from math import log

    logit = log(prevalence / (1 - prevalence))
    return f"# start the last layer's bias at the prior: torch.nn.init.constant_(last.bias, {logit:.2f})\n"
