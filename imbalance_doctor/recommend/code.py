"""Code to paste for a recommended plan: plain torch where that is enough, ours, the reference library."""

from __future__ import annotations

from math import log

from imbalance_doctor.evidence import LOSS_DEFAULTS, RANKING_LOSSES, TrainingPlan
from imbalance_doctor.facts.base import Facts

CLASS_NAMES = {
    "sigmoid-focal": "SigmoidFocalLoss",
    "softmax-focal": "SoftmaxFocalLoss",
    "smooth-ap": "SmoothAPLoss",
    "recall-at-quantile": "RecallAtQuantileLoss",
    "pauc-at-budget": "PAUCAtBudgetLoss",
}
_POOL = ("queue_size", "temperature", "max_pool_size", "gather_distributed")
_ARGUMENTS = {
    "sigmoid-focal": ("alpha", "gamma"),
    "softmax-focal": ("gamma",),
    "smooth-ap": _POOL,
    "recall-at-quantile": (*_POOL, "quantile"),
    "pauc-at-budget": (*_POOL, "alpha", "beta", "surrogate", "tau_scale", "pos_numerator"),
}
_SCHEDULE = ("warmup_epochs", "temp_start", "temp_end", "temp_decay_steps", "final_main_weight")
_FOCAL = '''\
def loss_fn(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Focal loss, finite for every gamma; logits and 0/1 targets (float) have one shape."""
    signed = (2 * targets - 1) * logits
    modulation = torch.exp({gamma!r} * F.logsigmoid(-signed))
    loss = modulation * F.softplus(-signed)
{alpha}    return loss.mean()
'''
_SOFTMAX_FOCAL = '''\
def loss_fn(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Focal loss; logits [N, C], class ids [N]."""
    ce = F.cross_entropy(logits, targets, reduction="none"{weights})
    p_t = logits.softmax(-1).gather(-1, targets[:, None]).squeeze(-1)
    return ((1 - p_t) ** {gamma!r} * ce).mean()
'''
_MINED = '''\
def loss_fn(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Weighted BCE over the positives and the hardest tenth of the negatives of the batch."""
    positive = targets > 0
    hardest = logits[~positive]
    if len(hardest):
        hardest = hardest.topk(max(1, round(0.1 * len(hardest)))).values
    loss = F.softplus(hardest).sum() + {pos_weight:.4g} * F.softplus(-logits[positive]).sum()
    return loss / max(1, len(hardest))
'''


def code_for(plan: TrainingPlan, facts: Facts) -> dict[str, str]:
    """Return code by title, the simplest that does the job first.

    Each defines ``loss_fn(logits, targets)``; comments say what the labels must become first.
    """
    blocks: dict[str, str] = {}
    if plan.loss not in RANKING_LOSSES:
        blocks["torch"] = _plain_torch(plan)
    if mines(plan):
        blocks["imbalance_doctor"] = (
            "from imbalance_doctor.losses import MinedBCELoss\n\n"
            f"loss_fn = MinedBCELoss(pos_weight={plan.pos_weight:.4g})\n"
        )
    if plan.loss in CLASS_NAMES:
        blocks["imbalance_doctor"] = _library(plan, facts, "imbalance_doctor.losses")
        blocks["imbalanced_losses"] = _library(plan, facts, "imbalanced_losses")
    return {title: text + _remarks(plan, facts) for title, text in blocks.items()}


def mines(plan: TrainingPlan) -> bool:
    """Return whether the plan's loss keeps the hardest negatives of a batch only."""
    return plan.loss == "weighted-bce" and bool(plan.hard_example_mining)


def _library(plan: TrainingPlan, facts: Facts, module: str) -> str:
    loss = plan.loss or ""
    ranking = loss in RANKING_LOSSES
    per_label = ranking and facts.value("labels.task") == "multilabel"
    name, names = CLASS_NAMES[loss], [CLASS_NAMES[loss]]
    arguments = [f"num_classes={1 if per_label else plan.num_classes}"] if ranking else []
    if loss == "softmax-focal" and plan.class_weights:
        arguments.append(f"alpha=torch.tensor({_literal(plan)})")
    arguments += [
        f"{field}={value!r}"
        for field in _ARGUMENTS[loss]
        if (value := getattr(plan, field)) is not None and value != LOSS_DEFAULTS[loss].get(field)
    ]
    made = f"{name}({', '.join(arguments)})"
    after = ""
    if plan.warmup_epochs is not None:
        names.append("LossWarmupWrapper")
        settings = [f"{f}={getattr(plan, f)!r}" for f in _SCHEDULE if getattr(plan, f) is not None]
        multiclass = ranking and not per_label and (plan.num_classes or 1) > 1
        warmup = "CrossEntropyLoss" if multiclass else "BCEWithLogitsLoss"
        made = f"LossWarmupWrapper(torch.nn.{warmup}(), {made}, {', '.join(settings)})"
        hooked = "one_loss of losses: one_loss" if per_label else "loss_fn"
        after = (
            f"# every epoch, {hooked}.on_train_epoch_start(epoch)\n"
            f"# every step, {hooked}.on_train_batch_start(step)\n"
        )
    body = _one_per_label(made, plan) if per_label else f"loss_fn = {made}\n"
    if module == "imbalanced_losses" and ranking and (plan.world_size or 1) > 1:
        after += (
            "# data parallelism averages the gathered loss once more: "
            f"call (loss_fn(logits, targets) * {plan.world_size}).backward()\n"
        )
    torch = "import torch\n" if "torch." in body else ""
    return f"{torch}from {module} import {', '.join(sorted(names))}\n\n{body}{after}"


def _one_per_label(made: str, plan: TrainingPlan) -> str:
    return (
        f"# a ranking loss takes one class per row: with several labels per row each label has its own\n"
        f"losses = torch.nn.ModuleList([{made} for _ in range({plan.num_classes})])\n\n\n"
        "def loss_fn(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:\n"
        '    """Mean over the labels; logits and 0/1 targets have shape [N, C]."""\n'
        "    columns = [\n"
        "        one_loss(logits[:, c : c + 1], targets[:, c : c + 1]) for c, one_loss in enumerate(losses)\n"
        "    ]\n"
        "    return torch.stack(columns).mean()\n"
    )


def _plain_torch(plan: TrainingPlan) -> str:
    functional = "import torch\nimport torch.nn.functional as F\n\n\n"
    if plan.loss == "sigmoid-focal":
        weighted = (
            f"    loss = loss * ({plan.alpha!r} * targets + {1 - (plan.alpha or 0)!r} * (1 - targets))\n"
        )
        alpha = "" if plan.alpha in (None, -1) else weighted
        return functional + _FOCAL.format(gamma=plan.gamma, alpha=alpha)
    if plan.loss == "softmax-focal":
        weights = f", weight=torch.tensor({_literal(plan)}).to(logits)" if plan.class_weights else ""
        return functional + _SOFTMAX_FOCAL.format(gamma=plan.gamma, weights=weights)
    if mines(plan):
        return functional + _MINED.format(pos_weight=plan.pos_weight)
    name, argument = "CrossEntropyLoss", ""
    if plan.loss in ("bce", "weighted-bce"):
        name = "BCEWithLogitsLoss"
        if plan.loss == "weighted-bce":
            argument = f"pos_weight=torch.tensor({plan.pos_weight:.4g})"
    elif plan.class_weights:
        argument = f"weight=torch.tensor({_literal(plan)})"
    return f"import torch\n\nloss_fn = torch.nn.{name}({argument})\n"


def _literal(plan: TrainingPlan) -> str:
    return "[" + ", ".join(f"{w:.4g}" for w in plan.class_weights or ()) + "]"


def _remarks(plan: TrainingPlan, facts: Facts) -> str:
    """Say what the targets must look like, what half precision needs, and where to start the bias."""
    remarks = []
    task, encoding = facts.value("labels.task"), facts.value("labels.encoding")
    one_class_per_row = plan.loss in ("ce", "weighted-ce", "softmax-focal") or (
        plan.loss in RANKING_LOSSES and task == "multiclass"
    )
    if task == "binary" and not one_class_per_row:
        if encoding not in (None, "standard"):
            # repr keeps whatever the class is called on one line
            remarks.append(f"targets: 1.0 where the label is {facts.value('labels.focus_class')!r}, else 0.0")
        remarks.append("targets: float, of the same shape as the logits, [N, 1]")
    elif one_class_per_row and encoding not in (None, "standard"):
        remarks.append("targets: class ids 0 to C-1, in the order of the sorted labels")
    if plan.precision in ("fp16", "bf16"):
        remarks.append("half precision: call loss_fn(logits.float(), targets)")
    prevalence = facts.value("labels.prevalence")
    if plan.loss in ("bce", "sigmoid-focal") and task == "binary" and prevalence and 0 < prevalence < 1:
        logit = log(prevalence / (1 - prevalence))
        remarks.append(
            f"start the last layer's bias at the prior: torch.nn.init.constant_(last.bias, {logit:.2f})"
        )
    return "".join(f"# {remark}\n" for remark in remarks)
