"""Real data sets of the user: one ``.npz`` file each."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.lab.worlds.base import World

__all__ = ["read_worlds"]

_MOST_BYTES = 2**30


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
