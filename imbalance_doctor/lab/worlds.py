"""The data that the lab trains on: files of real data sets, and worlds made up from a seed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError, did_you_mean

__all__ = ["HELD_OUT", "MADE_UP", "Task", "World", "read_worlds", "world_named"]

Task = Literal["binary", "multiclass", "multilabel"]
_MOST_BYTES = 2**30


@dataclass(frozen=True, kw_only=True)
class World:
    """One data set.

    Attributes
    ----------
    name
        Of the data set.
    features
        float32 [N, d], or [N, steps, d] for sequences.
    labels
        int64: 0 and 1 [N], class ids [N], or indicators [N, C].
    task
        What the labels are.
    """

    name: str
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    task: Task = "binary"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def prevalence(self) -> float:
        """Share of positives, 0-1; of the rarest class where there are several."""
        if self.task == "multiclass":
            return float(np.bincount(self.labels).min() / len(self))
        return float(self.labels.reshape(len(self), -1).mean(0).min())


def read_worlds(folder: Path | str, names: Sequence[str] = ()) -> Iterator[World]:
    """Read binary data sets, ``NAME.npz`` with features ``X`` [N, d] and labels ``y`` [N], by name.

    Raises
    ------
    InputError
        The folder or a named data set is missing, or a file holds something else.
    """
    found = {path.stem: path for path in sorted(Path(folder).glob("*.npz"))}
    if not found:
        raise InputError(
            "expected .npz files with features X and labels y, but got none", where=str(folder),
            hint="leave --data out to work on data that are made up",
        )  # fmt: skip
    for name in names or found:
        if name not in found:
            raise InputError(
                f"expected the name of a data set, but got '{name}'", where=str(folder),
                hint=did_you_mean(name, found) or f"there are {', '.join(found)}",
            )  # fmt: skip
        yield _read(found[name])


def _read(path: Path) -> World:
    where = str(path)
    try:
        with zipfile.ZipFile(path) as held:
            size = sum(entry.file_size for entry in held.infolist())
        if size > _MOST_BYTES:
            raise InputError(f"expected at most 1 GiB, but got {size:,} bytes", where=where)
        with np.load(path, allow_pickle=False) as stored:
            x, y = np.asarray(stored["X"]), np.asarray(stored["y"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"expected arrays X and y in an .npz file, but got {error}", where=where) from error
    if x.ndim < 2 or y.shape != x.shape[:1] or not np.isin(y, (0, 1)).all():  # noqa: PLR2004
        raise InputError(
            f"expected X [N, d] and y [N] of 0 and 1, but got {list(x.shape)} and {list(y.shape)}",
            where=where,
        )
    if len(np.unique(y)) != 2:  # noqa: PLR2004  both classes
        raise InputError("expected labels of both classes, 0 and 1, but got one of them only", where=where)
    if not np.issubdtype(x.dtype, np.number) or not np.isfinite(x).all():
        raise InputError("expected finite numbers in X", where=where)
    return World(name=path.stem, features=x.astype(np.float32), labels=y.astype(np.int64))


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


_MADE_UP: Mapping[str, Callable[[int], World]] = {
    "clouds": clouds,
    "heavy-tails": heavy_tails,
    "many-classes": many_classes,
    "many-labels": many_labels,
    "rings": rings,
    "sequences": sequences,
}
MADE_UP = tuple(_MADE_UP)
"""Names of the worlds that need no files."""

HELD_OUT = (
    *("adb_http", "german_credit", "oil_spill", "sms_spam_svd100"),
    *("heavy-tails", "many-classes", "many-labels", "rings", "sequences"),
)
"""Worlds on which no threshold was set: the figures that are stored come from these."""


def world_named(name: str, seed: int, folder: Path | str | None = None) -> World:
    """Return one world: made up from the seed, or read from the folder of data sets.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name in _MADE_UP:
        return _MADE_UP[name](seed)
    if folder is None:
        raise InputError(
            f"expected a world that is made up ({', '.join(_MADE_UP)}), but got '{name}'",
            hint=did_you_mean(name, _MADE_UP) or "give the folder of its .npz file as --data",
        )
    return next(read_worlds(folder, [name]))
