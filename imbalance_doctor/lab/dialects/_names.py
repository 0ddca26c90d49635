"""What people call the columns of their logs: one name for each, drawn once a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from imbalance_doctor.lab.base import Draw
from imbalance_doctor.sources.logs._keys import ABSOLUTE

__all__ = ["EVAL", "KERAS", "SLASHES", "STYLES", "Style", "name_columns"]


@dataclass(frozen=True)
class Style:
    """How names state the phase: with ``{}`` for the name without it."""

    train: str
    val: str

    @property
    def states_train(self) -> bool:
        """Whether what belongs to training says so."""
        return self.train != "{}"


KERAS = Style("{}", "val_{}")
EVAL = Style("{}", "eval_{}")
SLASHES = Style("train/{}", "val/{}")
STYLES: Sequence[Style] = (
    KERAS,
    EVAL,
    SLASHES,
    Style("train_{}", "val_{}"),
    Style("train_{}", "valid_{}"),
    Style("train_{}", "dev_{}"),
    Style("train_{}", "test_{}"),
    Style("tr_{}", "val_{}"),
    Style("training_{}", "validation_{}"),
    Style("train/{}", "eval/{}"),
    Style("Train/{}", "Val/{}"),
    Style("{}/train", "{}/val"),
    Style("train.{}", "val.{}"),
    Style("train-{}", "val-{}"),
)

_STEMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loss": ("loss", "loss", "loss", "Loss", "total_loss"),
        "average_precision": (
            "ap", "AP", "average_precision", "auprc", "AUPRC", "pr_auc", "avg_precision", "map", "aucpr",
            "prauc",
        ),
        "roc_auc": ("auc", "AUC", "roc_auc", "auroc", "AUROC", "rocauc"),
        "recall_at_quantile": ("recall_at_quantile", "recall_q", "raq", "recall_quantile", "recall@1.5%"),
        "prevalence": ("pos_rate", "prevalence", "pos_frac", "base_rate"),
        "predicted_positive_share": (
            "pred_pos_frac", "pred_pos_rate", "predicted_positive_share", "pos_pred_rate", "frac_pred_pos",
            "positive_prediction_rate",
        ),
        "loss_mean": ("loss_mean", "loss_mean10"),
        "loss_std": ("loss_std", "loss_std10"),
        "loss_zero_share": ("loss_zero_frac", "loss_zero_share", "zero_loss_frac", "zero_loss_share"),
        "gradient_norm": ("grad_norm", "gnorm", "gradient_norm", "gradnorm", "total_grad_norm", "total_norm"),
        "gradient_norm_max": ("grad_norm_max", "grad_max", "gradient_norm_max"),
        "gradient_norm_median": ("grad_norm_median", "grad_med", "grad_norm_med"),
        "positives_in_batch": (
            "pos_in_batch", "pos_per_batch", "batch_pos", "batch_positives", "num_pos_batch",
            "num_pos_in_batch", "n_pos_batch",
        ),
        "batch_without_positives_share": (
            "batch_no_pos_frac", "batch_nopos_frac", "batch_without_positives_share", "no_pos_batch_frac",
        ),
        "learning_rate": ("lr", "learning_rate", "LR", "current_lr"),
        "score_mean": ("score_mean", "logit_mean", "logits_mean", "logits/mean"),
        "score_std": ("score_std", "logit_std", "logits_std", "logits/std"),
        "score_mean_negative": ("score_mean_negative", "logit_mean_neg", "neg_score_mean"),
        "score_mean_positive": ("score_mean_positive", "logit_mean_pos", "pos_score_mean"),
        "score_std_negative": ("score_std_negative", "logit_std_neg", "neg_score_std"),
        "score_std_positive": ("score_std_positive", "logit_std_pos", "pos_score_std"),
        "positives": ("positives", "num_pos", "n_positives"),
        "score_absmax": ("score_absmax", "logit_absmax", "logits_abs_max", "max_abs_logit"),
        "stage": ("phase", "stage"),
        "main_weight": ("main_weight", "blend_weight", "main_loss_weight"),
        "temperature": ("temperature", "tau", "temp"),
        "pool_size": ("pool_size", "pool_rows"),
        "pool_positives": (
            "pool_pos", "pool_positives", "num_pos_pool", "n_pos_pool", "pool_num_pos", "pos_in_pool",
        ),
        "queue_fill": ("queue_fill", "queue_size", "queue_len"),
        "queue_positives": ("queue_pos", "queue_positives", "queue_num_pos", "num_pos_queue"),
        "queue_score_mean": ("queue_score_mean", "queue_logit_mean", "queue_mean"),
        "queue_score_std": ("queue_score_std", "queue_logit_std", "queue_std"),
        "band_neg_count": ("band_neg_count", "band_neg", "band_negs", "band_negatives"),
        "grad_pos_count": ("grad_pos_count", "grad_pos", "grad_positives"),
    }
)  # fmt: skip
_BARE = frozenset(("average_precision", "roc_auc", "recall_at_quantile"))
_WITHOUT_PHASE = 0.15


def name_columns(columns: Sequence[str], draw: Draw, styles: Sequence[Style] = STYLES) -> dict[str, str]:
    """Draw a name for each column.

    Parameters
    ----------
    columns
        Canonical names with their phase: ``val.average_precision``.
    styles
        Those that the logger knows.

    Returns
    -------
    dict
        Name in the log by column, no two the same.
    """
    style = draw.choice(styles)
    stems = {
        name: draw.choice(_STEMS.get(name, (name,)))
        for name in dict.fromkeys(column.partition(".")[2] for column in columns)
    }
    prefixed = draw.chance(
        0.5
    )  # whether what has no validation, as the temperature, is said to be of training
    bare = style.states_train and draw.chance(_WITHOUT_PHASE)
    names = {}
    for column in columns:
        phase, _, name = column.partition(".")
        form = style.val if phase == "val" else style.train
        if phase == "val" and bare and name in _BARE:
            form = "{}"  # "AP", beside "train_loss": people mean that of validation
        elif phase == "train" and name in ABSOLUTE and not (prefixed and form[0] != "{"):
            form = "{}"
        elif phase == "train" and name in _BARE and not (style.states_train or f"val.{name}" in columns):
            form = "train_{}"
        names[column] = form.format(stems[name])
    return names
