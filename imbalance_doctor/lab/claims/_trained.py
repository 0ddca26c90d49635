"""Small networks trained under several losses on the same rows: what claims about training compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.lab.claims.base import Draw
from imbalance_doctor.lab.worlds import read_worlds
from imbalance_doctor.losses import PAUCAtBudgetLoss, RecallAtQuantileLoss, SmoothAPLoss, sigmoid_focal
from imbalance_doctor.replay.symptoms._parts import average_precision

__all__ = [
    "ARMS",
    "MILD",
    "MODERATE",
    "RARE",
    "Outcome",
    "Rows",
    "bank",
    "cost_of",
    "fit",
    "logits_of",
    "network",
    "paired",
    "world",
]

Cost = Callable[[Tensor, Tensor], Tensor]
Rows = tuple[Tensor, Tensor]

_COLUMNS, _QUEUE = 8, 1024
_MOST_ROWS = 16_000
_REAL = (
    "abalone_ge18", "adb_annthyroid", "adb_cifar10_0_resnet18", "adb_optdigits", "adb_pendigits",
    "adb_thyroid", "ai4i2020", "htru2", "mammography", "oil_spill", "ozone_8h", "sms_spam_svd100", "stroke",
    "wine_white_le4",
)  # fmt: skip
RARE, MODERATE, MILD = 0.02, 0.1, 0.3
"""Prevalences of the worlds that are made up."""
ARMS = ("bce", "wbce", "focal", "focal-alpha", "smooth-ap", "recall", "trapezoid")


def world(seed: int, prevalence: float, rows: int, curve: float = 1.0) -> Rows:
    """Return inputs [rows, 8] and labels [rows], positive where a function of the inputs is highest.

    `curve` is the weight of the part of it that no single input tells of, which networks find late or never.
    """
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, _COLUMNS, generator=draw)
    level = curve * x[:, 0] * x[:, 1] + x[:, 2] + 0.5 * x[:, 3] ** 2 + torch.randn(rows, generator=draw)
    return x, (level > level.quantile(1 - prevalence)).long()


def network(seed: int, columns: int = _COLUMNS, outputs: int = 1) -> nn.Sequential:
    """Return an untrained network with one hidden layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(columns, 32), nn.ReLU(), nn.Linear(32, outputs))


def cost_of(arm: str, prevalence: float) -> Cost:
    """Return the cost of logits [n, 1] and labels [n] under one of the losses."""
    weight = torch.tensor((1 - prevalence) / prevalence)
    budget = min(1.5 * prevalence, 0.5)

    def pointwise(**settings: float) -> Cost:
        return lambda x, y: sigmoid_focal(x[:, 0], y, **settings)  # type: ignore[arg-type]

    def bce(pos_weight: Tensor | None) -> Cost:
        return lambda x, y: functional.binary_cross_entropy_with_logits(
            x[:, 0], y.to(x.dtype), pos_weight=pos_weight
        )

    known: dict[str, Callable[[], Cost]] = {
        "bce": lambda: bce(None),
        "wbce": lambda: bce(weight),
        "focal": lambda: pointwise(alpha=-1, gamma=2.0),
        "focal5": lambda: pointwise(alpha=-1, gamma=5.0),
        "focal-alpha": lambda: pointwise(alpha=1 - prevalence, gamma=2.0),
        "smooth-ap": lambda: SmoothAPLoss(1, _QUEUE, 0.3),
        "recall": lambda: RecallAtQuantileLoss(1, budget, _QUEUE, 0.3, anchor=False),
        "trapezoid": lambda: PAUCAtBudgetLoss(1, beta=0.05, queue_size=_QUEUE, anchor=False),
    }
    return known[arm]()


def fit(
    model: nn.Module,
    rows: Rows,
    cost: Cost,
    *,
    steps: int,
    rate: float = 0.01,
    batch: int = 256,
    seed: int = 0,
    each: Callable[[int, float], None] | None = None,
) -> None:
    """Train by Adam on batches that follow from the seed; `each` is told every step and its loss."""
    optimiser = torch.optim.Adam(model.parameters(), rate)
    draw = torch.Generator().manual_seed(seed)
    x, y = rows
    for step in range(steps):
        at = torch.randint(len(y), (batch,), generator=draw)
        optimiser.zero_grad()
        loss = cost(model(x[at]), y[at])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if each is not None:
            each(step, loss.item())


def logits_of(model: nn.Module, x: Tensor) -> Tensor:
    """Return the logits [n] of rows."""
    with torch.no_grad():
        found: Tensor = model(x)[:, 0]
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one training came to, on rows it has not seen.

    Attributes
    ----------
    scores
        Logits, [n].
    targets
        0 and 1, [n].
    """

    scores: Tensor
    targets: Tensor

    @property
    def precision(self) -> float:
        """Average precision."""
        return average_precision(self.scores, self.targets)

    @property
    def recall(self) -> float:
        """Recall at a probability of one half."""
        return float((self.scores[self.targets == 1] > 0).double().mean())

    @property
    def accuracy(self) -> float:
        """Accuracy at a probability of one half."""
        return float(((self.scores > 0).long() == self.targets).double().mean())

    @property
    def negatives(self) -> float:
        """Mean logit of the negatives."""
        return float(self.scores[self.targets == 0].mean())

    def recall_in_the_top(self, share: float) -> float:
        """Recall among the highest so many of all rows."""
        top = self.scores.topk(max(1, round(share * len(self.scores)))).indices
        return float(self.targets[top].sum() / self.targets.sum())

    def partial_auc(self, beta: float) -> float:
        """Mean recall over the false-positive rates up to `beta`."""
        negatives = self.scores[self.targets == 0].sort(descending=True).values
        edge = negatives[: max(1, round(beta * len(negatives)))]
        positives = self.scores[self.targets == 1]
        return float((positives[:, None] > edge).double().mean())


@dataclass(frozen=True, slots=True)
class World:
    """One world with the outcome of each arm.

    Attributes
    ----------
    name
        Of the world; made-up ones start with ``made``.
    prevalence
        Share of positives.
    arms
        Outcome by arm.
    """

    name: str
    prevalence: float
    arms: Mapping[str, Outcome]

    @property
    def made(self) -> bool:
        """Whether the world is made up."""
        return self.name.startswith("made")


def bank(draw: Draw) -> tuple[World, ...]:
    """Train every arm on every world, once for all claims that ask."""
    return _bank(draw.seed, draw.smoke, draw.folder)


@cache
def _bank(seed: int, smoke: bool, folder: Path | None) -> tuple[World, ...]:
    rows, steps = (1500, 30) if smoke else (8000, 600)
    found = []
    for prevalence in (MODERATE,) if smoke else (RARE, MODERATE, MILD):
        for i in range(2 if smoke else 3):
            number = 1000 * seed + i
            made = world(number, prevalence, 2 * rows)
            found.append(_trained(f"made {i}", made, rows, prevalence, number, steps))
    if folder is not None and not smoke:
        for name in _REAL:
            if (folder / f"{name}.npz").is_file():
                x, y = _read(folder, name, seed)
                found.append(_trained(name, (x, y), len(y) // 2, float(y.double().mean()), seed, steps))
    return tuple(found)


def _read(folder: Path, name: str, seed: int) -> Rows:
    (data,) = read_worlds(folder, [name])
    order = np.random.default_rng(seed).permutation(len(data.labels))[:_MOST_ROWS]
    x, y = data.features[order], data.labels[order]
    cut = len(y) // 2
    x = (x - x[:cut].mean(0)) / (x[:cut].std(0) + 1e-6)
    return torch.from_numpy(x.clip(-10, 10)), torch.from_numpy(y)


def _trained(name: str, rows: Rows, cut: int, prevalence: float, seed: int, steps: int) -> World:
    x, y = rows
    arms = {}
    for arm in ARMS:
        model = network(seed, x.shape[1])
        fit(model, (x[:cut], y[:cut]), cost_of(arm, prevalence), steps=steps, seed=seed)
        # Ties of saturated scores would be ranked in the order of the file.
        scores = logits_of(model, x[cut:]).double()
        scores = scores + 1e-9 * torch.rand(len(scores), generator=torch.Generator().manual_seed(seed))
        arms[arm] = Outcome(scores, y[cut:])
    return World(name, prevalence, arms)


def paired(
    worlds: tuple[World, ...],
    one: str,
    other: str,
    metric: Callable[[Outcome, float], float],
    where: Callable[[World], bool] = lambda _: True,
) -> list[float]:
    """Return by world the metric (of outcome and prevalence) of one arm less that of the other."""
    return [
        metric(w.arms[one], w.prevalence) - metric(w.arms[other], w.prevalence) for w in worlds if where(w)
    ]
