"""The pull of the anchor of a threshold loss, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled

__all__ = ["pull"]


def _pull(
    scores: np.ndarray,
    threshold: Any,
    width: Any,
    place: np.ndarray,
    force: np.ndarray,
    least: float,
    out: np.ndarray,
) -> None:
    """Write the gradient of an anchored loss of one class.

    Parameters
    ----------
    scores
        [live].
    threshold, width
        Of the scores' type.
    place, force
        Row of each positive and its gradient, [E].
    least
        What the sum of the kernel over the negatives is taken for, at least.
    out
        Takes the gradient, [live].
    """
    square = width * width
    total = whole = 0.0
    for j in range(scores.size):
        away = scores[j] - threshold
        share = width / (square + away * away)
        out[j] = share * share
        total += out[j]
    for k in range(place.size):
        total -= out[place[k]]
        whole += force[k]
    factor = scores.dtype.type(-whole / max(total, least))
    for j in range(scores.size):
        out[j] *= factor
    for k in range(place.size):
        out[place[k]] = force[k]


pull = compiled(_pull)
