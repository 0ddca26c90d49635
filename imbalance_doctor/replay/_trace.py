"""The rows of a replay's log: bounded however long it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.evidence import Phase, Series

__all__ = ["MOST_STEPS", "Trace"]

MOST_STEPS = 20_000
"""Steps that are kept; of more, every second, fourth, ... one."""

_NAMES = (
    "loss", "chance_level", "stage", "main_weight", "temperature", "tau_eff", "gradient_norm",
    "gradient_norm_max", "grad_pos_count", "gradient_share_positive", "gradient_sign_positive",
    "positives_with_gradient", "positives_in_batch", "batch_without_positives_share", "pool_size",
    "pool_positives", "queue_fill", "queue_positives", "queue_age", "queue_score_mean", "queue_score_std",
    "threshold", "band_neg_count", "score_mean", "score_std", "score_absmax", "rank_loss_std",
    "rank_loss_min", "rank_loss_max",
)  # fmt: skip
_COLUMN = {name: column for column, name in enumerate(_NAMES)}
_KEPT_AS_THEY_ARE = frozenset(("loss", "gradient_norm", "score_mean", "score_std", "score_absmax"))


class Trace:
    """Collects what each step showed."""

    def __init__(self) -> None:
        self._rows = np.full((1024, len(_NAMES)), np.nan)
        self._at = np.zeros(1024)
        self._count = 0
        self._seen = 0
        self._largest = 0.0
        self.stride = 1

    def add(self, step: float, measured: dict[str, float]) -> None:
        """Add one step; NaN stands for a number only in the loss, its gradient and the scores."""
        self._largest = float(np.fmax(self._largest, measured["gradient_norm"]))
        if self._seen % self.stride == 0:
            if self._count == len(self._at):
                self._grow()
            row = self._rows[self._count]
            row[:] = np.nan
            for name, value in measured.items():
                row[_COLUMN[name]] = value
            row[_COLUMN["gradient_norm_max"]] = self._largest
            self._at[self._count] = step
            self._count += 1
            self._largest = 0.0
            if self._count >= MOST_STEPS:
                self._thin()
        self._seen += 1

    def _grow(self) -> None:
        self._rows = np.concatenate([self._rows, np.full_like(self._rows, np.nan)])
        self._at = np.concatenate([self._at, np.zeros_like(self._at)])

    def _thin(self) -> None:
        """Keep every second step, so that shares of steps stay what they are."""
        rows = self._rows[: self._count]
        largest = rows[:, _COLUMN["gradient_norm_max"]]
        largest[2::2] = np.fmax(largest[2::2], largest[1:-1:2])
        kept = rows[::2].copy()
        self._largest = float(largest[-1]) if self._count % 2 == 0 else 0.0
        self._rows[: len(kept)] = kept
        self._at[: len(kept)] = self._at[: self._count : 2].copy()
        self._count = len(kept)
        self.stride *= 2

    def series(self) -> tuple[Series, ...]:
        """Return every series that has a value."""
        rows, at = self._rows[: self._count], self._at[: self._count]
        order = np.arange(self._count, dtype=np.int64)
        found = []
        for name, column in _COLUMN.items():
            values: NDArray[np.float64] = rows[:, column]
            if name == "gradient_norm_max" and self.stride == 1:
                continue
            kept = np.ones(len(at), dtype=bool) if name in _KEPT_AS_THEY_ARE else ~np.isnan(values)
            if not kept.any():
                continue
            phase: Phase = "train" if name == "loss" else ""
            found.append(
                Series(
                    key="train_loss" if name == "loss" else name,
                    name=name,
                    phase=phase,
                    steps=at[kept].copy(),
                    values=values[kept].copy(),
                    order=order[kept],
                    lines=np.zeros(int(kept.sum()), dtype=np.int64),
                )
            )
        return tuple(found)
