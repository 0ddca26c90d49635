"""Worlds made up from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from imbalance_doctor.lab.worlds.base import World

__all__ = ["MADE_UP"]


def clouds(
    seed: int, *, rows: int = 6000, columns: int = 10, prevalence: float = 0.05, distance: float = 0.7
) -> World:
    """Return two Gaussian clouds that overlap; `distance` is the spread of the shift in each column."""
    g = np.random.default_rng((1, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    x = g.normal(size=(rows, columns)) + y[:, None] * g.normal(0, distance, columns)
    return World(name="clouds", features=x.astype(np.float32), labels=y)


def many_classes(seed: int, *, rows: int = 6000, columns: int = 12, classes: int = 6) -> World:
    """Return one cloud a class, each half as frequent as the one before."""
    g = np.random.default_rng((2, seed))
    share = 0.5 ** np.arange(classes)
    y = g.choice(classes, rows, p=share / share.sum())
    x = g.normal(size=(rows, columns)) + g.normal(0, 0.9, (classes, columns))[y]
    return World(
        name="many-classes", features=x.astype(np.float32), labels=y.astype(np.int64), task="multiclass"
    )


def many_labels(seed: int, *, rows: int = 6000, columns: int = 12, labels: int = 5) -> World:
    """Return independent labels of 20 % down to 2 %, each by its own direction with noise."""
    g = np.random.default_rng((3, seed))
    x = g.normal(size=(rows, columns))
    score = x @ g.normal(0, 1 / np.sqrt(columns), (columns, labels)) + g.normal(0, 0.5, (rows, labels))
    rate = np.geomspace(0.2, 0.02, labels)
    y = np.stack([score[:, c] > np.quantile(score[:, c], 1 - rate[c]) for c in range(labels)], axis=1)
    return World(
        name="many-labels", features=x.astype(np.float32), labels=y.astype(np.int64), task="multilabel"
    )


def sequences(seed: int, *, rows: int = 4000, steps: int = 12, prevalence: float = 0.06) -> World:
    """Return noisy walks of three channels; in the rare ones two channels rise together for a while."""
    g = np.random.default_rng((4, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    x = g.normal(size=(rows, steps, 3))
    for row, at in zip(np.flatnonzero(y), g.integers(0, steps - 4, int(y.sum())), strict=True):
        x[row, at : at + 4, :2] += 1.3
    return World(name="sequences", features=x.astype(np.float32), labels=y)


def rings(seed: int, *, rows: int = 5000, columns: int = 6, prevalence: float = 0.04) -> World:
    """Return a rare class in a shell around the origin, which no linear model finds."""
    g = np.random.default_rng((8, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    x = g.normal(size=(rows, columns))
    radius = np.linalg.norm(x[:, :3], axis=1, keepdims=True)
    x[:, :3] = np.where(y[:, None] == 1, x[:, :3] / radius * (3 + g.normal(0, 0.4, (rows, 1))), x[:, :3])
    return World(name="rings", features=x.astype(np.float32), labels=y)


def heavy_tails(seed: int, *, rows: int = 8000, columns: int = 8, prevalence: float = 0.02) -> World:
    """Return two overlapping clouds with outliers, as Student's t with three degrees of freedom has them."""
    g = np.random.default_rng((9, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    x = g.standard_t(3, size=(rows, columns)) + y[:, None] * g.normal(0, 1.0, columns)
    return World(name="heavy-tails", features=x.astype(np.float32), labels=y)


def checkers(seed: int, *, rows: int = 6000, columns: int = 8, prevalence: float = 0.1) -> World:
    """Return a rare class that the signs of two columns tell together, and no column by itself."""
    g = np.random.default_rng((11, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    x = g.normal(size=(rows, columns))
    alike = np.where(y == 1, 1.0, np.where(g.random(rows) < 0.06, 1.0, -1.0))  # noqa: PLR2004  some look like it
    x[:, 1] = np.abs(x[:, 1]) * np.sign(x[:, 0]) * alike
    return World(name="checkers", features=x.astype(np.float32), labels=y)


def counts(seed: int, *, rows: int = 5000, words: int = 40, prevalence: float = 0.03) -> World:
    """Return sparse counts of words, some of which a rare topic uses more often."""
    g = np.random.default_rng((12, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    usual = g.gamma(1, 0.4, words)
    more = np.ones(words)
    more[: words // 4] = g.uniform(1.5, 4, words // 4)
    length = g.gamma(3, 1 / 3, (rows, 1))
    x = g.poisson(length * usual * np.where(y[:, None] == 1, more, 1.0) + 0.02)
    return World(name="counts", features=x.astype(np.float32), labels=y)


def defects(seed: int, *, rows: int = 4000, side: int = 8, prevalence: float = 0.05) -> World:
    """Return pictures of a smooth texture, one a row; the rare ones have a small bright or dark spot."""
    g = np.random.default_rng((13, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    at = np.arange(side)
    wave = g.uniform(0.1, 0.5, (rows, 2, 1, 1))
    texture = np.sin(wave[:, 0] * at[:, None] + wave[:, 1] * at + g.uniform(0, 2 * np.pi, (rows, 1, 1)))
    x = texture + g.normal(0, 0.25, (rows, side, side))
    for row in np.flatnonzero(y):
        top, left = g.integers(0, side - 1, 2)
        x[row, top : top + 2, left : left + 2] += g.choice([-1, 1]) * g.uniform(1.5, 3)
    return World(name="defects", features=x.reshape(rows, -1).astype(np.float32), labels=y)


def drifting_waves(seed: int, *, rows: int = 3000, steps: int = 16, prevalence: float = 0.05) -> World:
    """Return two noisy channels of a wave whose frequency drifts; the rare ones are faster."""
    g = np.random.default_rng((14, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    period = np.where(y == 1, 4.0, 8.0) * np.exp(g.normal(0, 0.12, rows))
    speed = 2 * np.pi / period[:, None] + np.cumsum(g.normal(0, 0.05, (rows, steps)), 1)
    phase = np.cumsum(speed, 1) + g.uniform(0, 2 * np.pi, (rows, 1))
    x = np.stack([np.sin(phase), np.cos(phase)], axis=2) + g.normal(0, 0.7, (rows, steps, 2))
    return World(name="drifting-waves", features=x.astype(np.float32), labels=y)


def ordered_classes(seed: int, *, rows: int = 6000, columns: int = 6) -> World:
    """Return five classes, 40 % down to 2 %, that follow one another along a curved line and overlap."""
    g = np.random.default_rng((15, seed))
    share = np.array([0.4, 0.3, 0.2, 0.08, 0.02])
    y = g.choice(len(share), rows, p=share)
    along = y + g.normal(0, 0.4, rows)
    curve = np.sin(along[:, None] * g.uniform(0.3, 1.2, columns) + g.uniform(0, 2 * np.pi, columns))
    x = curve + g.normal(0, 0.3, (rows, columns))
    return World(
        name="ordered-classes", features=x.astype(np.float32), labels=y.astype(np.int64), task="multiclass"
    )


def linked_labels(seed: int, *, rows: int = 6000, columns: int = 10, labels: int = 4) -> World:
    """Return labels of 15 % down to 1.5 % that share a cause and follow no straight line."""
    g = np.random.default_rng((16, seed))
    x = g.normal(size=(rows, columns))
    shared = x[:, 0] * x[:, 1] + x[:, 2]
    own = np.tanh(x @ g.normal(0, 0.5, (columns, labels)))
    score = shared[:, None] + 1.5 * own + g.normal(0, 0.5, (rows, labels))
    rate = np.geomspace(0.15, 0.015, labels)
    y = np.stack([score[:, c] > np.quantile(score[:, c], 1 - rate[c]) for c in range(labels)], axis=1)
    return World(
        name="linked-labels", features=x.astype(np.float32), labels=y.astype(np.int64), task="multilabel"
    )


def few_rows(seed: int, *, rows: int = 750, columns: int = 20, prevalence: float = 0.25) -> World:
    """Return few rows of many columns, five of which say something."""
    g = np.random.default_rng((17, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    x = g.normal(size=(rows, columns))
    x[:, :5] += y[:, None] * g.uniform(0.3, 0.8, 5)
    return World(name="few-rows", features=x.astype(np.float32), labels=y)


def islands(seed: int, *, rows: int = 8000, columns: int = 3, prevalence: float = 0.01) -> World:
    """Return a rare class in a dozen tiny clusters among the negatives."""
    g = np.random.default_rng((18, seed))
    y = (g.random(rows) < prevalence).astype(np.int64)
    x = g.normal(size=(rows, columns))
    rare = np.flatnonzero(y)
    center = g.normal(size=(12, columns))
    center *= g.uniform(2.2, 4.0, (12, 1)) / np.linalg.norm(center, axis=1, keepdims=True)
    x[rare] = center[g.integers(0, 12, len(rare))] + g.normal(0, 0.12, (len(rare), columns))
    return World(name="islands", features=x.astype(np.float32), labels=y)


MADE_UP: Mapping[str, Callable[[int], World]] = {
    "checkers": checkers,
    "clouds": clouds,
    "counts": counts,
    "defects": defects,
    "drifting-waves": drifting_waves,
    "few-rows": few_rows,
    "heavy-tails": heavy_tails,
    "islands": islands,
    "linked-labels": linked_labels,
    "many-classes": many_classes,
    "many-labels": many_labels,
    "ordered-classes": ordered_classes,
    "rings": rings,
    "sequences": sequences,
}
"""How each world that needs no files is made."""
