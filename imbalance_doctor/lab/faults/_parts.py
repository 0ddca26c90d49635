"""What several faults share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from imbalance_doctor.lab.base import Split
from imbalance_doctor.lab.training import Training

__all__ = [
    "DeadFeatures",
    "HalfPrecision",
    "begins",
    "enriched",
    "flipped",
    "in_order",
    "mislabelled",
    "positives_first",
    "store",
]


class DeadFeatures(nn.Module):
    """Rectified units whose bias is so negative that none ever fires."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros, without a gradient."""
        return torch.relu(x - 1e6)


class HalfPrecision(nn.Module):
    """The range of float16: beyond 65504 all is infinite."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, rounded."""
        return x.half().to(x.dtype)


def begins(step: int, onset: float, training: Training) -> bool:
    """Tell whether this is the step at which a fault of this onset begins."""
    return step == max(1, int(onset * training.setup.steps))


def flipped(split: Split, rows: np.ndarray) -> Split:
    """Return the split with the binary labels of these training rows turned over."""
    labels = split.y.copy()
    labels[rows] = 1 - labels[rows]
    return replace(split, y=labels)


def mislabelled(split: Split, share: float, draw: np.random.Generator) -> Split:
    """Return the split with as many negatives called positive as make up this share of the positives."""
    negatives = np.flatnonzero(split.y == 0)
    wanted = int((split.y == 1).sum() * share / (1 - share))
    return flipped(split, draw.choice(negatives, min(wanted, len(negatives) // 2), replace=False))


def positives_first(split: Split) -> Split:
    """Return the split with the training rows sorted by their binary label."""
    order = np.argsort(-split.y, kind="stable")
    return replace(split, x=split.x[order], y=split.y[order])


def in_order(count: int, step: int, training: Training) -> np.ndarray:
    """Return the rows of a batch that a loader draws without shuffling, epoch after epoch."""
    return (np.arange(count) + (step - 1) * count) % len(training.y)


def enriched(rows: np.ndarray, share: float, training: Training) -> np.ndarray:
    """Return the rows of a batch with this share of them replaced by positives."""
    wanted = round(share * len(rows))
    positives = np.flatnonzero(training.y.numpy() == 1)
    return np.concatenate([positives[rows[:wanted] % len(positives)], rows[wanted:]])


def store(training: Training, scores: Tensor, labels: Tensor) -> None:
    """Let rows enter the queue of the ranking loss by a call that trains nothing."""
    with torch.no_grad():
        training.main(scores, labels)
