"""The words people use for losses, metrics, number formats and optimisers, and the one word meant."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from imbalance_doctor.evidence import LOSSES


def squash(text: str) -> str:
    """Reduce a word to its letters and digits, in lower case.

    >>> squash("Smooth_AP-Loss")
    'smoothaploss'
    """
    return "".join(c for c in text.casefold() if c.isalnum())


CLASS_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "SmoothAPLoss": "smooth-ap",
        "RecallAtQuantileLoss": "recall-at-quantile",
        "PAUCAtBudgetLoss": "pauc-at-budget",
        "SigmoidFocalLoss": "sigmoid-focal",
        "SoftmaxFocalLoss": "softmax-focal",
        "BCEWithLogitsLoss": "bce",
        "BCELoss": "bce",
        "CrossEntropyLoss": "ce",
    }
)

_LOSS_WORDS = {
    **{squash(name): name for name in LOSSES},
    **{squash(name): loss for name, loss in CLASS_NAMES.items()},
    "binarycrossentropy": "bce",
    "binarycrossentropywithlogits": "bce",
    "crossentropy": "ce",
    "weightedbinarycrossentropy": "weighted-bce",
    "weightedcrossentropy": "weighted-ce",
    "focal": "sigmoid-focal",
    "focalloss": "sigmoid-focal",
    "binaryfocal": "sigmoid-focal",
    "pauc": "pauc-at-budget",
    "partialauc": "pauc-at-budget",
    "recallatq": "recall-at-quantile",
}
_METRIC_WORDS = {
    "ap": "average_precision",
    "aucpr": "average_precision",
    "prauc": "average_precision",
    "auprc": "average_precision",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "recallq": "recall_at_quantile",
    "recallatq": "recall_at_quantile",
    "recallquantile": "recall_at_quantile",
    "pauc": "partial_auc",
    "partialrocauc": "partial_auc",
    "f1score": "f1",
    "calibrated": "calibrated_probability",
    "calibration": "calibrated_probability",
    "calibratedprobabilities": "calibrated_probability",
    "logloss": "calibrated_probability",
    "nll": "calibrated_probability",
    "brier": "calibrated_probability",
    "brierscore": "calibrated_probability",
}
_PRECISION_WORDS = {
    word: name
    for name, words in {
        "fp64": "64 64true float64 double",
        "fp32": "32 32true float32 float single no",
        "bf16": "bf16mixed bf16true bfloat16",
        "fp16": "16 16mixed 16true fp16mixed float16 half",
    }.items()
    for word in words.split()
}
ALIASES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"loss": _LOSS_WORDS, "metric": _METRIC_WORDS, "precision": _PRECISION_WORDS}
)
"""Squashed word to canonical word, for the fields that have more words than choices."""

OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "accumulate_grad_batches": "gradient_accumulation",
        "amp": "precision",
        "clip_grad_norm": "gradient_clipping",
        "criterion": "loss",
        "devices": "world_size",
        "dtype": "precision",
        "gpus": "world_size",
        "grad_clip": "gradient_clipping",
        "gradient_clip_val": "gradient_clipping",
        "loss_fn": "loss",
        "lr": "learning_rate",
        "max_epochs": "epochs",
        "max_norm": "gradient_clipping",
        "max_steps": "steps",
        "mixed_precision": "precision",
        "num_epochs": "epochs",
        "pool_size": "max_pool_size",
        "q": "quantile",
        "tau": "temperature",
        "weight": "class_weights",
        "weights": "class_weights",
    }
)
"""Names that other tools use for a field; only for the hint of an unknown key."""
