"""Worlds with a contested top: a rare class hidden among look-alikes that an easy cue cannot tell from it.

A direction in feature space lifts positives and decoys alike out of the background, so that every loss soon
has a ROC AUC near 1. What tells a positive from a decoy is the sign of the product of two features, which no
linear cue sees. Average precision and recall in the top then depend on a percent of the rows.

The construction follows the laboratory report of ``imbalanced-losses`` 0.6: a product-sign cue on 2 of 20
features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.lab.worlds import World

__all__ = ["contested_world", "contested_worlds", "is_contested"]

_COLUMNS = 20
_NAME = "contested"


def contested_world(
    seed: int,
    *,
    name: str = _NAME,
    rows: int = 200_000,
    prevalence: float = 0.0015,
    decoys: float = 0.012,
    lift: float = 5.0,
    margin: float = 0.5,
    flipped: float = 0.05,
) -> World:
    """Make one world.

    Parameters
    ----------
    seed
        Draws everything.
    name
        Of the world.
    rows
        Rows in all.
    prevalence
        Share of positives, 0-1.
    decoys
        Share of negatives that look like positives but for the product sign, 0-1.
    lift
        Distance of positives and decoys from the background along the easy direction, in standard deviations.
    margin
        Least size of either factor of the product in positives and decoys, in standard deviations.
    flipped
        Share of positives and decoys whose product has the other sign, which bounds what any model reaches.
    """
    draw = np.random.default_rng((5, seed))
    positives, look_alikes = round(rows * prevalence), round(rows * decoys)
    x = draw.normal(size=(rows, _COLUMNS))
    first, second, *rest = draw.permutation(_COLUMNS)
    easy = np.zeros(_COLUMNS)
    easy[rest[:6]] = draw.normal(size=6)
    easy /= np.linalg.norm(easy)

    top = positives + look_alikes
    x[:top] += lift * easy
    sign = np.where(np.arange(top) < positives, 1.0, -1.0)
    sign[draw.random(top) < flipped] *= -1
    side = draw.choice((-1.0, 1.0), top)
    x[:top, first] = side * _away(draw, top, margin)
    x[:top, second] = sign * side * _away(draw, top, margin)

    order = draw.permutation(rows)
    labels = (np.arange(rows) < positives)[order].astype(np.int64)
    return World(name=name, features=x[order].astype(np.float32), labels=labels)


def contested_worlds(count: int = 10, *, seed: int = 0, rows: int = 200_000) -> tuple[World, ...]:
    """Make worlds that differ in prevalence (0.1 to 0.3 %), decoys, lift, margin and noise.

    Parameters
    ----------
    count
        How many.
    seed
        Draws the worlds; another one gives fresh worlds.
    rows
        Rows of each.
    """
    made = []
    for number in range(count):
        draw = np.random.default_rng((6, seed, number))
        made.append(
            contested_world(
                int(draw.integers(2**31)),
                name=f"{_NAME}_{number}",
                rows=rows,
                prevalence=0.001 * 3 ** ((number + 0.5) / count),
                decoys=float(draw.uniform(0.008, 0.02)),
                lift=float(draw.uniform(4.6, 5.6)),
                margin=float(draw.uniform(0.3, 0.8)),
                flipped=float(draw.uniform(0.02, 0.1)),
            )
        )
    return tuple(made)


def is_contested(name: str) -> bool:
    """Return whether the name of a world is that of one with a contested top."""
    return name.startswith(_NAME)


def _away(draw: np.random.Generator, count: int, margin: float) -> NDArray[np.float64]:
    """Return sizes of a factor: a half-normal draw beyond the margin, [count]."""
    away: NDArray[np.float64] = margin + np.abs(draw.normal(size=count))
    return away
