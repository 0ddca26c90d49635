"""Rows made by a seed, and what several symptoms measure."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.errors import InputError
from imbalance_doctor.replay.symptoms.base import Rows

__all__ = [
    "average_precision",
    "binary",
    "grid",
    "library",
    "made",
    "norm",
    "plain_focal",
    "several",
    "share",
    "slope",
    "train",
]


def binary(
    count: int = 2000, prevalence: float = 0.05, *, gap: float = 1.5, spread: float = 1.0, seed: int = 0
) -> Rows:
    """Return shuffled rows whose positives score `gap` spreads higher than negatives on average."""
    draw = torch.Generator().manual_seed(seed)
    targets = (torch.arange(count) < round(count * prevalence)).long()[torch.randperm(count, generator=draw)]
    return Rows(spread * (torch.randn(count, generator=draw) + gap * targets), targets)


def made(*arguments: Any, **settings: Any) -> Callable[[], Rows]:
    """Return a function that makes rows by :func:`binary`."""
    return partial(binary, *arguments, **settings)


def several(count: int, classes: int, *, gap: float = 1.5, seed: int = 0) -> Rows:
    """Return rows of several classes of equal size, logits [n, C]."""
    draw = torch.Generator().manual_seed(seed)
    targets = (torch.arange(count) % classes)[torch.randperm(count, generator=draw)]
    scores = torch.randn(count, classes, generator=draw) + gap * functional.one_hot(targets, classes)
    return Rows(scores, targets)


def grid() -> Rows:
    """Return logits from 0 to 100 in steps of 0.05 that are right about their row, of both classes."""
    size = torch.arange(0, 100, 0.05, dtype=torch.float64)
    return Rows(torch.cat([size, -size]), torch.cat([torch.ones(len(size)), torch.zeros(len(size))]).long())


def library() -> Any:
    """Return ``imbalanced_losses``."""
    return importlib.import_module("imbalanced_losses")


def slope(loss: nn.Module, rows: Rows, **settings: Any) -> tuple[float, Tensor]:
    """Return the loss of one step and its derivative by each logit, of the shape of the scores."""
    x = rows.scores.detach().clone().requires_grad_()
    out = loss(x if x.ndim > 1 else x[:, None], rows.targets, **settings)
    if out.requires_grad:
        out.backward()
    return float(out.item()), torch.zeros_like(x) if x.grad is None else x.grad


def norm(gradient: Tensor) -> float:
    """Return the Euclidean norm."""
    return float(gradient.norm())


def share(part: float, whole: float) -> float:
    """Return part / whole.

    Raises
    ------
    InputError
        The whole is 0: the loss has no gradient on such scores.
    """
    if not whole:
        raise InputError("expected scores on which the loss has a gradient, but it is 0 everywhere")
    return part / whole


def plain_focal(x: Tensor, y: Tensor, gamma: float, epsilon: float = 0.0) -> Tensor:
    """Return the focal loss of each row as it is usually written, [n], with `epsilon` inside the factor."""
    y = y.to(x.dtype)
    p = torch.sigmoid(x)
    p_t = p * y + (1 - p) * (1 - y)
    ce: Tensor = functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    return ce * (1 - p_t + epsilon) ** gamma


def average_precision(scores: Tensor, targets: Tensor) -> float:
    """Return the average precision of scores without ties."""
    hit = targets[scores.argsort(descending=True)].double()
    precision = hit.cumsum(0) / torch.arange(1, len(hit) + 1)
    return float((precision * hit).sum() / hit.sum())


def train(
    model: nn.Module,
    rows: Rows,
    cost: Callable[[Tensor, Tensor], Tensor],
    *,
    steps: int,
    rate: float,
    batch: int = 256,
) -> list[tuple[float, float]]:
    """Train by Adam; return loss and gradient norm of each step, the last one where that is NaN."""
    optimiser = torch.optim.Adam(model.parameters(), rate)
    draw = torch.Generator().manual_seed(0)
    course = []
    for _ in range(steps):
        at = torch.randint(len(rows), (batch,), generator=draw)
        optimiser.zero_grad()
        loss = cost(model(rows.scores[at]), rows.targets[at])
        loss.backward()  # type: ignore[no-untyped-call]
        size = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm().item()
        course.append((loss.item(), size))
        if size != size:  # noqa: PLR0124  NaN
            break
        optimiser.step()
    return course
