"""What one step of a loss shows: its pool, its queue, its gradient, the level of chance."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imbalance_doctor.losses._thresholds import column_quantiles
from imbalance_doctor.losses.base import Pool
from imbalance_doctor.replay._losses import Built, Ranked
from imbalance_doctor.replay.settings import ReplaySettings

__all__ = ["DEAD", "Measured", "Worker", "spread"]

DEAD = 1e-8
"""Size of a gradient by a logit at and below which a positive counts as without gradient."""

Measured = dict[str, float]
Pools = list[tuple[Pool, list[int]]]  # what was ranked, and the positives of each class in it


class Worker:
    """One loss of a replay, with its queue.

    Parameters
    ----------
    built
        The loss.
    settings
        Of the replay.
    ignore_index
        Target of rows that are left out.
    """

    def __init__(self, built: Built, settings: ReplaySettings, ignore_index: int) -> None:
        self.built = built
        self._settings = settings
        self._ignore = ignore_index
        self._refuses = settings.bundled  # ignored rows and odd scores
        self._ages: deque[tuple[int, int]] = deque()  # step and rows of what the queue holds, oldest first

    def step(
        self, x: Tensor, y: Tensor, iid: Tensor | None, number: int
    ) -> tuple[float, NDArray[np.floating[Any]], Measured]:
        """Put one batch through the loss.

        Parameters
        ----------
        x
            Logits [N, C], a leaf that requires a gradient.
        number
            Of the step among those replayed.

        Returns
        -------
        loss : float
        gradient : ndarray
            Of the loss by the logits, [N, C].
        measured : dict
            By name of the series; what is undefined is left out.
        """
        main = self.built.main
        weight = 1.0 if self.built.wrapper is None else float(self.built.wrapper.main_weight)
        found: Measured = {}
        pools: Pools = []
        if isinstance(main, Ranked) and weight > 0:
            found |= self._queue(main, number)  # before the batch enters it
        loss = self.built.loss(x, y, iid_mask=iid) if isinstance(main, Ranked) else self.built.loss(x, y)
        slope = torch.autograd.grad(loss, x, allow_unused=True)[0] if loss.requires_grad else None
        gradient = (torch.zeros_like(x) if slope is None else slope).detach()
        plain = gradient.numpy() if gradient.dtype != torch.bfloat16 else gradient.float().numpy()
        if isinstance(main, Ranked) and weight > 0:
            pools = [(pool, _positives(pool)) for pool in main.pools()]
            found |= self._pool(main, pools)
            self._remember(x, y, number)
        chance = 0.0
        if weight < 1 and self.built.warmup is not None:
            chance += (1 - weight) * self.built.warmup.at_prior(x.detach(), y)
        if weight > 0:
            own = _chance(pools, self._settings) if isinstance(main, Ranked) else main.at_prior(x.detach(), y)
            chance += weight * own
        if math.isfinite(chance):
            found["chance_level"] = chance
        return float(loss.detach()), plain, found

    def _queue(self, main: Ranked, number: int) -> Measured:
        """Say what the queue holds; means over independent labels."""
        held = [_held(loss, self._ignore) for loss in main.losses]
        fill, positives, mean, spread = (sum(column) / len(held) for column in zip(*held, strict=True))
        found = {"queue_fill": fill, "queue_positives": positives}
        if not fill:
            self._ages.clear()
        if fill and self._ages:
            found |= {"queue_score_mean": mean, "queue_score_std": spread}
            found["queue_age"] = float(number - self._ages[0][0])
        return found

    def _remember(self, x: Tensor, y: Tensor, number: int) -> None:
        size = int(self._settings.value("queue_size") or 0)  # type: ignore[call-overload]
        if not size:
            return
        count = len(x)
        if self._refuses and y.ndim == 1:
            plain = x.detach().float().numpy()
            known = y.numpy() != self._ignore
            if not (known.all() and math.isfinite(plain.sum())):
                count = int(np.count_nonzero(known & np.isfinite(plain).all(1)))
        if count:
            self._ages.append((number, count))
        held = sum(n for _, n in self._ages)
        while held - self._ages[0][1] >= size if self._ages else False:
            held -= self._ages.popleft()[1]

    def _pool(self, main: Ranked, pools: Pools) -> Measured:
        """Say what was ranked; means over the classes."""
        if not pools:
            return {"pool_size": 0.0, "pool_positives": 0.0}
        found = {
            "pool_size": sum(len(pool.targets) for pool, _ in pools) / len(pools),
            "pool_positives": _mean([float(n) for _, counts in pools for n in counts]),
        }
        loss = self._settings.loss
        if loss == "recall-at-quantile":
            level = 1 - float(self._settings.value("quantile"))  # type: ignore[arg-type]
            form: Any = self._settings.value("quantile_interpolation")
            cuts = [
                column_quantiles(p.scores.detach(), [level], form, weight=p.pool_weight) for p, _ in pools
            ]
            found["threshold"] = _mean(torch.cat(cuts, 1)[0].tolist())
        told = {
            "threshold": "t_beta",
            "tau_eff": "tau_eff",
            "band_neg_count": "band_neg_count",
            "grad_pos_count": "grad_pos_count",
        }
        for name, key in told.items():
            if key in main.details:
                found[name] = _mean(main.details[key].tolist())
        return {name: value for name, value in found.items() if math.isfinite(value)}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _positives(pool: Pool) -> list[int]:
    """Positives of each class."""
    if pool.scores.shape[1] == 1:
        return [int(np.count_nonzero(pool.targets.numpy() == 1))]
    counts: list[int] = pool.positive.sum(0).tolist()
    return counts


def _held(loss: nn.Module, ignore_index: int) -> tuple[float, float, float, float]:
    """Rows, positives, mean and spread of a queue; means over the classes."""
    if not loss.queue_size:
        return 0.0, 0.0, 0.0, 0.0
    targets = loss.get_buffer("_queue._q_targets").numpy()
    scores = loss.get_buffer("_queue._q_logits").numpy()
    known = targets != ignore_index
    count = int(np.count_nonzero(known))
    if not count:
        return 0.0, 0.0, 0.0, 0.0
    if count < len(targets):
        targets, scores = targets[known], scores[known]
    classes = scores.shape[1]
    own = np.count_nonzero(targets == 1) if classes == 1 else count / classes
    return float(count), float(own), *spread(scores)


def spread(scores: NDArray[Any]) -> tuple[float, float]:
    """Return mean and standard deviation of scores [N, C], the latter a mean over columns."""
    if scores.shape[1] > 1:
        return float(scores.mean(dtype=np.float64)), float(scores.std(0, dtype=np.float64).mean())
    column = scores.ravel().astype(np.float64)
    mean = float(column.sum()) / len(column)
    column -= mean
    return mean, math.sqrt(float(column @ column) / len(column))


def _chance(pools: Pools, settings: ReplaySettings) -> float:
    """Return the loss of scores without information on the pools of this step; NaN where nothing was ranked.

    Smooth-AP: that of equal scores, ``1 - (P + 1) / (M + 1)``. Recall at a quantile: ``1 - q``. Partial AUC:
    1 minus the middle of its band.
    """
    levels: list[float] = []
    for pool, plain in pools:
        total, counts = float(len(pool.targets)), [float(n) for n in plain]
        if pool.pool_weight is not None:
            total = float(pool.pool_weight.sum())
            counts = (pool.pool_weight.double() @ pool.positive.double()).tolist()
        for count in counts:
            if not 0 < count < total:
                continue
            if settings.loss == "recall-at-quantile":
                levels.append(1 - float(settings.value("quantile")))  # type: ignore[arg-type]
            elif settings.loss == "pauc-at-budget":
                edges = float(settings.value("alpha")) + float(settings.value("beta"))  # type: ignore[arg-type]
                levels.append(1 - edges / 2)
            else:
                levels.append(1 - (count + 1) / (total + 1))
    return sum(levels) if settings.reduction == "sum" and levels else _mean(levels)
