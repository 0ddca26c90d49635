"""The labels that a score dump holds beside its scores."""

from __future__ import annotations

from imbalance_doctor.evidence import LabelCounts, ScoreDump

__all__ = ["labels_of"]


def labels_of(dump: ScoreDump) -> LabelCounts:
    """Count the labels of a dump: of several steps together, as often as a row was seen.

    A multi-label row counts as ignored where any of its entries is.
    """
    import numpy as np

    width = max(2, dump.classes) if dump.kind != "multilabel" else dump.classes
    counts = np.zeros(width, np.int64)
    ignored = 0
    for block in dump.blocks():
        targets = block.targets.reshape(len(block), -1)
        left = (targets == dump.ignore_index).any(axis=1)
        ignored += int(left.sum())
        kept = targets[~left]
        counts += (
            kept.sum(axis=0, dtype=np.int64)
            if dump.kind == "multilabel"
            else np.bincount(kept[:, 0], minlength=width)
        )
    told = "the labels are those of the score dump" + (", at every step" if dump.has_steps else "")
    return LabelCounts(
        classes=dump.names if len(dump.names) == width else tuple(map(str, range(width))),
        counts=counts,
        rows=dump.rows - ignored,
        ignored=ignored,
        kind="indicator" if dump.kind == "multilabel" else "classes",
        positive=1 if dump.kind == "binary" else 0 if width == 1 else None,
        encoding="names" if len(dump.names) == width else "standard",
        assumptions=(told,),
    )
