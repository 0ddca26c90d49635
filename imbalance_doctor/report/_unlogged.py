"""What a training log lacks, and the line of code that would record it."""

from __future__ import annotations

from collections.abc import Iterable

from imbalance_doctor.engine.base import Unknown
from imbalance_doctor.gate import missing_inputs

__all__ = ["RECORD", "unlogged"]

RANKING = frozenset(
    {
        "stage", "main_weight", "temperature", "tau_eff", "threshold", "pool_size", "pool_positives",
        "queue_fill", "queue_positives", "queue_score_mean", "queue_score_std", "queue_age", "band_neg_count",
        "grad_pos_count", "rank_loss_std", "rank_loss_min", "rank_loss_max",
    }
)  # fmt: skip
"""Series that only runs with a ranking loss have."""

_BY_CLASS = 'log |= scores_by_class(logits, targets, "val_")  # from imbalance_doctor.record; "train_" too'

RECORD: dict[str, str] = {
    "loss": 'log["loss"] = loss.item()',
    "gradient_norm": 'log["grad_norm"] = nn.utils.clip_grad_norm_(model.parameters(), math.inf).item()',
    "learning_rate": 'log["lr"] = optimizer.param_groups[0]["lr"]',
    "score_mean": 'log["score_mean"] = logits.mean().item()',
    "score_std": 'log["score_std"] = logits.std().item()',
    "score_absmax": 'log["score_absmax"] = logits.abs().max().item()',
    "score_mean_negative": _BY_CLASS,
    "score_mean_positive": _BY_CLASS,
    "score_std_negative": _BY_CLASS,
    "score_std_positive": _BY_CLASS,
    "positives": _BY_CLASS,
    "positives_in_batch": 'log["positives_in_batch"] = (targets == 1).sum().item()',
    "batch_without_positives_share": 'log["batch_without_positives"] = float((targets == 1).sum() == 0)',
    "loss_zero_share": 'log["loss_zero"] = float(loss.item() == 0)',
    "predicted_positive_share": 'log["predicted_positive_share"] = (logits > 0).float().mean().item()',
    "prevalence": 'log["prevalence"] = (targets == 1).float().mean().item()',
    "stage": 'log["stage"] = 0 if warming_up else 2',
    "pool_size": 'log["pool_size"] = len(targets) + min(rows_so_far, queue_size)',
    "pool_positives": 'log["pool_positives"] = positives_of_the_last(pool_size)',
    "queue_fill": 'log["queue_fill"] = min(rows_so_far, queue_size)',
    "temperature": 'log["temperature"] = criterion.temperature',
    "average_precision": 'log["val_average_precision"] = average_precision_score(targets, scores)',
    "roc_auc": 'log["val_roc_auc"] = roc_auc_score(targets, scores)',
    "recall": 'log["val_recall"] = recall_score(targets, predictions)',
    "precision": 'log["val_precision"] = precision_score(targets, predictions)',
    "rank_loss_std": 'log["rank_loss"] = loss_before_gathering.item()  # on every worker',
}


def unlogged(unknown: Iterable[Unknown], *, ranking: bool, most: int) -> list[tuple[str, int, str]]:
    """Return the series that rules wait for, those that most rules want first.

    Parameters
    ----------
    unknown
        Rules that could not be checked.
    ranking
        Whether a run may use a ranking loss: else what only those log is left out.
    most
        How many to return.

    Returns
    -------
    list
        Name of the series, or names of those that one line of code records; how many rules need the most
        wanted of them; and that line (empty where the loss or the framework writes it).
    """
    wanted = [
        (name.removeprefix("log."), count)
        for name, count in missing_inputs(unknown)
        if name.startswith("log.") and (ranking or name.removeprefix("log.") not in RANKING)
    ]
    lines: dict[str, tuple[list[str], int]] = {}
    for name, count in wanted:
        names, most_rules = lines.get(key := RECORD.get(name) or name, ([], 0))
        lines[key] = [*names, name], max(most_rules, count)
    return [
        (", ".join(names), count, RECORD.get(names[0], "")) for names, count in list(lines.values())[:most]
    ]
