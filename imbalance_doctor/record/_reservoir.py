"""Some rows of many, all equally likely."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.record._blocks import Columns

__all__ = ["Reservoir"]


class Reservoir:
    """Keeps so many rows of each window of steps, drawn without replacement.

    Every row gets a random key; those with the least keys stay. So any number of rows can be added at once,
    and a row stays with the same probability whenever it comes.

    Parameters
    ----------
    rows
        Kept of a window.
    window
        Steps of a window: the first is steps 0 to `window` - 1.
    seed
        Of the draw.
    """

    def __init__(self, rows: int, window: int, seed: tuple[int, int]) -> None:
        self._rows = rows
        self._window = window
        self._random = np.random.default_rng(seed)
        self._number: int | None = None
        self._kept: dict[str, NDArray[Any]] = {}
        self._keys = np.empty(0)

    def add(self, columns: Columns) -> list[Columns]:
        """Take rows in; return those kept of the windows that ended."""
        numbers = columns["step"] // self._window
        starts = np.flatnonzero(np.diff(numbers)) + 1
        ended = []
        for low, high in zip([0, *starts], [*starts, len(numbers)], strict=True):
            if numbers[low] != self._number:
                ended += self.rest()
                self._number = int(numbers[low])
            self._add({name: column[low:high] for name, column in columns.items()})
        return ended

    def _add(self, columns: Columns) -> None:
        count = len(columns["step"])
        keys = np.concatenate([self._keys, self._random.random(count)])
        pool = (
            {name: np.concatenate([self._kept[name], column]) for name, column in columns.items()}
            if self._kept
            else dict(columns)
        )
        if len(keys) > self._rows:
            # Sorted, so that rows stay in the order they came.
            stay = np.sort(np.argpartition(keys, self._rows - 1)[: self._rows])
            keys = keys[stay]
            pool = {name: column[stay] for name, column in pool.items()}
        self._keys, self._kept = keys, pool

    def rest(self) -> list[Columns]:
        """Return the rows kept of the window so far, and forget them."""
        kept, self._kept, self._keys = self._kept, {}, np.empty(0)
        return [kept] if kept else []
