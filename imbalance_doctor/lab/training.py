"""The training loop of the lab: one small network, one loss, and what a user would log of it."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.lab.base import Kind, Setup, Split
from imbalance_doctor.lab.metrics import average_precision, columns, macro, recall_at_quantile, roc_auc
from imbalance_doctor.lab.worlds import Task, World
from imbalance_doctor.losses import PAUCAtBudgetLoss, RankingLoss, RecallAtQuantileLoss, SmoothAPLoss
from imbalance_doctor.losses.base import Pool
from imbalance_doctor.losses.sigmoid_focal import sigmoid_focal
from imbalance_doctor.losses.softmax_focal import softmax_focal
from imbalance_doctor.record import scores_by_class

__all__ = ["Run", "Training", "network_of", "split_of", "train"]

_VALIDATION = 2000
"""Most rows of the validation set that the log speaks of."""
_DECAY = 0.6
"""Share of the main phase in which the temperature falls."""
_LAST = 5
"""Rows of the log whose median tells how a run ended."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One trained run.

    Attributes
    ----------
    rows
        What was logged: by canonical name with its phase, as ``val.average_precision``.
    outcomes
        Average precision on all held-out rows at each logged row, macro over classes; as the user is shown
        it, so that an inverted evaluation counts as harm.
    scores, labels
        Of validation at the end, [n, C], and [n] or [n, C].
    prevalence
        Of the rarest class in training, 0-1.
    """

    rows: tuple[dict[str, Any], ...]
    outcomes: tuple[float, ...]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    setup: Setup
    prevalence: float

    @property
    def outcome(self) -> float:
        """How the run ended: the median of the last five outcomes, the last one where its scores are NaN."""
        last = self.outcomes[-_LAST:] if np.isfinite(self.scores).all() else self.outcomes[-1:]
        return float(np.median(last))

    @property
    def stopped(self) -> float:
        """Outcome at the best value of the validation metric, as early stopping has it."""
        return self.outcomes[int(np.nanargmax([row["val.average_precision"] for row in self.rows]))]


def split_of(world: World, seed: int) -> Split:
    """Split a world 60 : 20 : 20, the rare class by itself, and standardise by the training rows."""
    g = np.random.default_rng((5, seed))
    rare = world.labels if world.task != "multilabel" else world.labels.any(1).astype(int)
    parts: tuple[list[NDArray[np.intp]], ...] = ([], [], [])
    for label in np.unique(rare):
        rows = g.permutation(np.flatnonzero(rare == label))
        a, b = round(0.6 * len(rows)), round(0.8 * len(rows))
        for part, chosen in zip(parts, (rows[:a], rows[a:b], rows[b:]), strict=True):
            part.append(chosen)
    train, val, rest = (g.permutation(np.concatenate(part)) for part in parts)
    axes = tuple(range(world.features.ndim - 1))
    mean, std = world.features[train].mean(axes), world.features[train].std(axes)
    x = np.clip((world.features - mean) / (std + 1e-6), -20, 20).astype(np.float32)
    y = world.labels
    shown, outcome = val[:_VALIDATION], np.concatenate([val, rest])
    return Split(x[train], y[train], x[shown], y[shown], x[outcome], y[outcome])


def _thinned(split: Split, most: int | None) -> Split:
    """Return the split with at most so many positives to train on."""
    if most is None:
        return split
    kept = np.ones(len(split.y), dtype=bool)
    kept[np.flatnonzero(split.y == 1)[most:]] = False
    return replace(split, x=split.x[kept], y=split.y[kept])


class _ChannelsFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def network_of(setup: Setup, shape: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Return the network of a setup for rows of this shape."""
    act: type[nn.Module] = getattr(nn, setup.activation)
    width = setup.hidden
    flat = math.prod(shape)
    first = [nn.Flatten()] if len(shape) > 1 else []
    if setup.model == "linear":
        return nn.Sequential(*first, nn.Linear(flat, outputs))
    if setup.model == "cnn":
        side = math.isqrt(shape[0])
        return nn.Sequential(
            nn.Unflatten(1, (1, side, side)),
            *(nn.Conv2d(1, 8, 3, padding=1), act(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 3, padding=1), act(), nn.Flatten()),
            nn.Linear(16 * (side // 2) ** 2, outputs),
        )
    if setup.model == "sequence":
        return nn.Sequential(
            _ChannelsFirst(),
            *(nn.Conv1d(shape[1], width, 3, padding=1), act()),
            *(nn.AdaptiveMaxPool1d(1), nn.Flatten()),
            nn.Linear(width, outputs),
        )
    return nn.Sequential(
        *first, nn.Linear(flat, width), act(), nn.Linear(width, width), act(), nn.Linear(width, outputs)
    )


def _watched(kind: type[RankingLoss]) -> Any:
    """Return a ranking loss that remembers the pool of its last step, and tells about its queue."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        seen: Pool | None = None

        def _pool(self, *rest: Any, **named: Any) -> Pool:
            self.seen = super()._pool(*rest, **named)
            return self.seen

        def described(self) -> dict[str, Any]:
            row: dict[str, Any] = {}
            if self.seen is not None:
                row = {
                    "pool_size": len(self.seen.targets),
                    "pool_positives": int((self.seen.targets == 1).sum()),
                }
            if self.queue_size:
                known = self._queue._q_targets != self.ignore_index  # noqa: SLF001  under the names of its state
                scores = self._queue._q_logits[known].double()  # noqa: SLF001
                row |= {"queue_fill": int(known.sum())}
                row |= {"queue_positives": int((self._queue._q_targets[known] == 1).sum())}  # noqa: SLF001
                if len(scores) and bool(scores.isfinite().all()):
                    row |= {"queue_score_mean": float(scores.mean())}
                    row |= {"queue_score_std": float(scores.std(correction=0))}
            return row

    Watched.__name__ = kind.__name__
    return Watched


def _main_loss(setup: Setup, prevalence: float, outputs: int) -> Any:
    """Return the ranking loss as the reference library computes it, which is what runs are trained with."""
    pooled: dict[str, Any] = {
        "queue_size": setup.queue_size,
        "max_pool_size": setup.max_pool_size,
        "temperature": setup.temp_start,
        "gather_distributed": False,
        "cap": "quota",
    }
    match setup.loss:
        case "smooth-ap":
            return _watched(SmoothAPLoss)(outputs, **pooled)
        case "recall-at-quantile":
            quantile = setup.quantile or min(0.5, setup.times_prevalence * prevalence)
            return _watched(RecallAtQuantileLoss)(outputs, quantile=quantile, anchor=False, **pooled)
        case "pauc-at-budget":
            surrogate: Any = setup.surrogate
            return _watched(PAUCAtBudgetLoss)(
                outputs, beta=setup.beta, surrogate=surrogate, anchor=False, **pooled
            )
    return None


class Training:
    """One network in training.

    Attributes
    ----------
    net, optimizer, main
        The network, its optimiser, and the ranking loss, None where there is none.
    scores, labels
        Of the last batch: logits [n, C] with gradient, and what the loss got.
    """

    def __init__(self, kind: Kind, setup: Setup, split: Split, task: Task, seed: int) -> None:
        torch.manual_seed(seed)
        self.kind, self.setup, self.task = kind, setup, task
        self.x, self.y = torch.from_numpy(split.x), torch.from_numpy(split.y)
        self.outputs = split.y.shape[1] if task == "multilabel" else 1
        if task == "multiclass":
            self.outputs = int(split.y.max()) + 1
        share = np.bincount(split.y).min() / len(split.y) if task == "multiclass" else split.y.mean(0).min()
        self.prevalence = float(share)
        self.net = kind.network(network_of(setup, split.x.shape[1:], self.outputs))
        self.optimizer = getattr(torch.optim, setup.optimizer)(self.net.parameters(), lr=setup.learning_rate)
        self.main = _main_loss(setup, self.prevalence, self.outputs)
        self.warm = setup.warmup_steps
        self.started = self.warm  # where the schedule of the temperature began
        self.extra: dict[str, Any] = {}
        self.seen: defaultdict[str, list[float]] = defaultdict(list)

    def step(self, step: int, chosen: Tensor) -> None:
        """Train on the chosen rows."""
        setup, kind = self.setup, self.kind
        kind.before_step(step, self)
        self.labels = kind.targets(self.y[chosen], self)
        self.scores = self.net(self.x[chosen]) * setup.score_scale
        ranking = self.main is not None and step > self.warm
        self.weight = setup.final_main_weight if ranking else 0.0
        self.extra = {}
        loss = torch.zeros(())
        if self.weight < 1:
            plain = kind.plain(self.scores, self.labels, self)
            loss = (1 - self.weight) * (self.plain(self.scores, self.labels) if plain is None else plain)
        if self.main is not None:
            self.main.temperature = kind.temperature(self._temperature(step), step, self)
        if ranking:
            ranked = kind.ranked(self.scores, self.labels, self)
            loss = loss + self.weight * (self.ranked(self.scores, self.labels) if ranked is None else ranked)
        self.optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        kind.gradient(self)
        squares = [float(p.grad.double().square().sum()) for p in self.net.parameters() if p.grad is not None]
        self.optimizer.step()
        self.seen["loss"].append(float(loss.detach()))
        self.seen["gradient"].append(math.sqrt(sum(squares)))
        self.seen["positives"].append(float((self.labels == 1).sum()))
        if ranking:
            self.seen["pool"].append(self.main.described().get("pool_positives", 0))

    def _temperature(self, step: int) -> float:
        """Return the temperature of the schedule: geometric, within the first part of the main phase."""
        setup = self.setup
        if step <= self.started:
            return setup.temp_start
        done = min(1.0, (step - self.started) / max(1.0, _DECAY * (setup.steps - self.warm)))
        return float(setup.temp_start * (setup.temp_end / setup.temp_start) ** done)

    def ranked(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the ranking loss of the setup."""
        value: Tensor
        if self.setup.loss == "pauc-at-budget":
            value, self.extra = self.main(logits, targets, return_diagnostics=True)
        else:
            value = self.main(logits, targets)
        return value

    def plain(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of single rows of the setup, which is also that of every warm-up."""
        setup, smooth = self.setup, self.setup.label_smoothing
        if self.task == "multiclass":
            if setup.loss == "softmax-focal":
                return softmax_focal(logits, targets, gamma=setup.gamma)
            weight = None
            if setup.loss == "weighted-bce":
                counts = torch.bincount(self.y, minlength=self.outputs).clamp(min=1)
                weight = len(self.y) / (self.outputs * counts) * (setup.pos_weight or 1.0)
            return functional.cross_entropy(logits, targets, weight, label_smoothing=smooth)
        wanted = targets.reshape(logits.shape).to(logits.dtype)
        if setup.loss == "sigmoid-focal":
            return sigmoid_focal(logits, wanted, alpha=setup.alpha, gamma=setup.gamma)
        weight = None
        if setup.loss == "weighted-bce":
            ratio = (1 - self.prevalence) / self.prevalence
            weight = torch.tensor(ratio if setup.pos_weight is None else setup.pos_weight)
        soft = wanted * (1 - smooth) + smooth / 2
        return functional.binary_cross_entropy_with_logits(logits, soft, pos_weight=weight)

    def described(self, step: int) -> dict[str, Any]:
        """Return what a row of the log says of the steps since the row before."""
        seen = {name: np.array(values) for name, values in self.seen.items()}
        loss, gradient, positives = seen["loss"], seen["gradient"], seen["positives"]
        scores = self.scores.detach().double()
        row = {
            "step": step,
            "epoch": step * self.setup.batch_size / len(self.y),
            "train.loss": float(loss[-1]),
            "train.loss_mean": float(loss.mean()),
            "train.loss_std": float(loss.std()),
            "train.loss_zero_share": float((loss == 0).mean()),
            "train.gradient_norm": float(gradient[-1]),
            "train.gradient_norm_max": float(gradient.max()),
            "train.gradient_norm_median": float(np.median(gradient)),
            "train.positives_in_batch": float(positives.mean()),
            "train.batch_without_positives_share": float((positives == 0).mean()),
            "train.learning_rate": self.optimizer.param_groups[0]["lr"],
            "train.score_mean": float(scores.mean()),
            "train.score_std": float(scores.std(correction=0)),
            "train.score_absmax": float(scores.abs().max()),
        }
        if self.task != "multiclass":
            row["train.prevalence"] = float(positives.mean() / self.labels.numel())
        if self.main is not None:
            row |= {f"train.{name}": value for name, value in self.main.described().items()}
            row |= {
                "train.stage": 2 if step > self.warm else 0,
                "train.temperature": self.main.temperature,
                "train.main_weight": self.weight,
            }
            if "pool" in seen:
                row["train.pool_positives"] = float(seen["pool"].mean())
            for name, value in self.extra.items():
                if name in {"band_neg_count", "tau_eff", "grad_pos_count"} or name.startswith("rank_loss"):
                    row[f"train.{name}"] = float(torch.as_tensor(value).double().flatten()[0])
        self.seen.clear()
        return row

    def evaluated(self, x: Tensor) -> NDArray[np.float64]:
        """Return the logits of rows, float64 [n, C]."""
        with torch.no_grad():
            scores: NDArray[np.float64] = (self.net(x) * self.setup.score_scale).double().numpy()
        return scores

    def log_loss(self, scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
        """Return the log loss of logits."""
        logits, targets = torch.from_numpy(scores), torch.from_numpy(labels)
        if self.task == "multiclass":
            return float(functional.cross_entropy(logits, targets))
        wanted = targets.reshape(logits.shape).double()
        return float(functional.binary_cross_entropy_with_logits(logits, wanted))


def train(kind: Kind, setup: Setup, world: World, seed: int) -> Run:
    """Train one network.

    Parameters
    ----------
    kind, setup
        What to train, see `imbalance_doctor.lab.base.setup_of`.
    seed
        Of split, initial weights and batches; a fault and its twin get the same.
    """
    split = _thinned(split_of(world, seed), setup.train_positives)
    split = kind.rows(split, setup, np.random.default_rng((6, seed)))
    training = Training(kind, setup, split, world.task, seed)
    g = np.random.default_rng((7, seed))
    some = g.permutation(len(split.y))[:_VALIDATION]
    sets = [torch.from_numpy(x) for x in (split.val_x, split.outcome_x, split.x[some])]
    top = min(0.5, 1.5 * training.prevalence)
    rows: list[dict[str, Any]] = []
    outcomes: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the losses warn of some faults, which are meant
        for step in range(1, setup.steps + 1):
            drawn = g.integers(0, len(split.y), setup.batch_size)
            training.step(step, torch.from_numpy(kind.chosen(drawn, step, training)))
            if step % setup.every:
                continue
            shown, outcome, own = (training.evaluated(x) for x in sets)
            shown, outcome = kind.shown(shown), kind.shown(outcome)
            rows.append(
                training.described(step)
                | {
                    "val.loss": training.log_loss(shown, split.val_y),
                    "val.average_precision": macro(average_precision, shown, split.val_y),
                    "val.roc_auc": macro(roc_auc, shown, split.val_y),
                    "val.recall_at_quantile": macro(recall_at_quantile, shown, split.val_y, top),
                    "val.prevalence": float(
                        np.mean([hits.mean() for _, hits in columns(shown, split.val_y)])
                    ),
                    "val.predicted_positive_share": float((shown > 0).mean()),
                    "train.average_precision": macro(average_precision, own, split.y[some]),
                }
                | scores_by_class(shown, split.val_y, "val.")
                | scores_by_class(own, split.y[some], "train.")
            )
            outcomes.append(macro(average_precision, outcome, split.outcome_y))
    return Run(
        rows=tuple(rows),
        outcomes=tuple(outcomes),
        scores=kind.shown(training.evaluated(sets[0])),
        labels=split.val_y,
        setup=setup,
        prevalence=training.prevalence,
    )
