"""Trains one small network: every loss on the same split, from the same start, in the same batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imbalance_doctor.lab.metrics import average_precision, roc_auc
from imbalance_doctor.lab.worlds import World

__all__ = ["Loss", "Part", "Schedule", "Split", "Trained", "split", "train"]

Scores = NDArray[np.float64]

Loss = Callable[[Tensor, Tensor], Tensor]
"""Cost of logits [B, 1] against targets 0 and 1, float32 [B, 1]."""
_WIDTH = 64
_SHARES = (0.5, 0.7)  # train up to here, validation up to here, the rest is the test


@dataclass(frozen=True)
class Part:
    """Rows of one part: standardised features [N, d], float32, and labels 0 and 1 [N], int64."""

    x: Tensor
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Half of a world to train on, a fifth to stop by, and the rest for the figure that counts."""

    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What all arms of one world and seed share.

    Attributes
    ----------
    seed
        Draws the start of the network and the batches.
    steps, batch, evaluations
        Steps of Adam, rows each, and how often the validation part is looked at.
    metric
        By which training is stopped and judged: ``average_precision`` or ``roc_auc``.
    """

    seed: int
    steps: int
    batch: int
    evaluations: int = 20
    metric: str = "average_precision"

    def measure(self, scores: Scores, labels: NDArray[np.int64]) -> float:
        """Return the metric, 0-1."""
        return (roc_auc if self.metric == "roc_auc" else average_precision)(scores, labels == 1)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of one training run.

    Attributes
    ----------
    validation, test
        The metric at the step with the best validation; the test part had no say in it.
    roc_auc
        On the validation part, at that step.
    final
        The metric on the test part at the last step.
    spread
        Standard deviation of the logits of the validation part at the best step.
    best_step
        Where that was.
    """

    validation: float
    test: float
    roc_auc: float
    final: float
    spread: float
    best_step: int


def split(world: World, seed: int) -> Split:
    """Split a binary world, equal prevalence in each part; features are standardised by the first part."""
    draw = np.random.default_rng((7, seed))
    rows: list[list[NDArray[np.int64]]] = [[], [], []]
    for label in (0, 1):
        mine = draw.permutation(np.flatnonzero(world.labels == label))
        cuts = [round(len(mine) * share) for share in _SHARES]
        for part, some in zip(rows, np.split(mine, cuts), strict=True):
            part.append(some)
    chosen = [np.sort(np.concatenate(part)) for part in rows]
    x = world.features[chosen[0]].astype(np.float64)
    middle, scale = x.mean(0), x.std(0)
    scale[scale < 1e-9] = 1.0  # noqa: PLR2004  a constant column stays one
    parts = [
        Part(
            torch.from_numpy(((world.features[at] - middle) / scale).clip(-10, 10).astype(np.float32)),
            world.labels[at],
        )
        for at in chosen
    ]
    return Split(*parts)


def train(parts: Split, loss: Loss, rate: float, schedule: Schedule) -> Trained:
    """Train once with early stopping by the metric on the validation part.

    Parameters
    ----------
    parts
        The rows.
    loss
        A fresh one: ranking losses carry a queue.
    rate
        Learning rate of Adam.
    schedule
        Shared by all arms.
    """
    torch.manual_seed(schedule.seed)
    model = nn.Sequential(
        nn.Linear(parts.train.x.shape[1], _WIDTH),
        nn.ReLU(),
        nn.Linear(_WIDTH, _WIDTH),
        nn.ReLU(),
        nn.Linear(_WIDTH, 1),
    )
    optimiser = torch.optim.Adam(model.parameters(), rate, fused=True)
    x, y = parts.train.x, torch.from_numpy(parts.train.labels.astype(np.float32))[:, None]
    looks = {round(schedule.steps * (n + 1) / schedule.evaluations) for n in range(schedule.evaluations)}
    best: tuple[float, int, Scores, dict[str, Tensor]] | None = None
    for step, rows in enumerate(_batches(len(x), schedule), start=1):
        optimiser.zero_grad()
        cost = loss(model(x[rows]), y[rows])
        if cost.requires_grad:  # a pool without positives leaves nothing to learn from
            cost.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if step in looks:
            scores = _scores(model, parts.validation.x)
            value = schedule.measure(scores, parts.validation.labels)
            if best is None or value > best[0]:
                best = value, step, scores, {k: v.clone() for k, v in model.state_dict().items()}
    assert best is not None  # noqa: S101  the last step is always looked at
    final = schedule.measure(_scores(model, parts.test.x), parts.test.labels)
    model.load_state_dict(best[3])
    return Trained(
        validation=best[0],
        test=schedule.measure(_scores(model, parts.test.x), parts.test.labels),
        roc_auc=roc_auc(best[2], parts.validation.labels == 1),
        final=final,
        spread=float(best[2].std()),
        best_step=best[1],
    )


def _batches(rows: int, schedule: Schedule) -> list[Tensor]:
    """Return the row numbers of every step: epochs of shuffled rows, one after the other."""
    draw = torch.Generator().manual_seed(schedule.seed)
    batch = min(schedule.batch, rows)
    steps: list[Tensor] = []
    while len(steps) < schedule.steps:
        order = torch.randperm(rows, generator=draw)
        steps += [order[at : at + batch] for at in range(0, rows - batch + 1, batch)]
    return steps[: schedule.steps]


@torch.no_grad()
def _scores(model: nn.Module, x: Tensor) -> Scores:
    scores: Scores = model(x)[:, 0].double().numpy()
    return scores
