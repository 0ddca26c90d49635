"""Five numbers for a log: where the scores of positives and negatives lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError

__all__ = ["scores_by_class"]


def scores_by_class(
    scores: Any, targets: Any, prefix: str = "", *, ignore_index: int = -100
) -> dict[str, float]:
    """Summarise the scores of positives and of negatives, to be logged for training and validation rows.

    `diagnose` compares the two: false positives among the training labels, positives that are known by heart
    and labels that belong to other rows show there first.

    Parameters
    ----------
    scores
        Logits, [n], [n, 1] or [n, C]: a tensor or an array.
    targets
        0 and 1 [n] for a single column, class ids [n], or indicators [n, C].
    prefix
        Goes before each name: ``"train_"``, ``"val_"``.
    ignore_index
        Rows with this target are left out.

    Returns
    -------
    dict
        ``score_mean_positive``, ``score_mean_negative``, ``score_std_positive``, ``score_std_negative``:
        means over the classes that have positives; and ``positives``, their number in all. Empty where there
        are none, where a class that has some has no negatives, or a score is not finite.

    Raises
    ------
    InputError
        The shapes do not fit.

    Examples
    --------
    >>> scores_by_class([3.0, 1.0, 0.0, 0.0], [1, 1, 0, 0], "val_")["val_score_mean_positive"]
    2.0
    """
    x, y = _array(scores).astype(np.float64), _array(targets)
    x, y = (part[:, None] if part.ndim == 1 else part for part in (x, y))
    if x.ndim != 2 or len(y) != len(x) or y.shape[1:] not in {(1,), x.shape[1:]}:  # noqa: PLR2004  a matrix
        raise InputError(
            f"expected targets [n] or [n, C] for scores of shape {list(x.shape)}, but got {list(y.shape)}",
            where="scores_by_class",
        )
    known = y != ignore_index
    if y.shape[1] == 1 and x.shape[1] > 1:
        known, y = np.broadcast_to(known, x.shape), y == np.arange(x.shape[1])
    found = [(x[k, c], y[k, c] == 1) for c, k in enumerate(known.T)]
    found = [(column, hits) for column, hits in found if hits.any()]
    if not found or any(hits.all() or not np.isfinite(column).all() for column, hits in found):
        return {}
    spread = {
        f"{prefix}score_{name}_{which}": float(
            np.mean([measure(column[hits == of]) for column, hits in found])
        )
        for name, measure in (("mean", np.mean), ("std", np.std))
        for which, of in (("positive", True), ("negative", False))
    }
    return spread | {f"{prefix}positives": int(sum(hits.sum() for _, hits in found))}


def _array(values: Any) -> NDArray[Any]:
    """Return a tensor or sequence as an array; half precision and devices are the tensor's own business."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy() if values.is_floating_point() else values.cpu().numpy()
    array: NDArray[Any] = np.atleast_1d(np.asarray(values))
    return array
