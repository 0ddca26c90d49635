"""Which way Smooth-AP pulls a linear scorer, and which way average precision over everything would."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imbalance_doctor.lab.claims._stats import cosine
from imbalance_doctor.lab.claims.base import Draw
from imbalance_doctor.losses import SmoothAPLoss

__all__ = ["Directions"]

_COLUMNS, _PREVALENCE = 10, 0.02


class Directions:
    """A binormal world and a scorer on its way; pools drawn from it pull the scorer somewhere.

    Parameters
    ----------
    draw
        What to draw from.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw.generator(5)
        self._shift = torch.randn(_COLUMNS, generator=self._draw) * 0.6
        self._weights = self._shift + 0.8 * torch.randn(_COLUMNS, generator=self._draw)
        positives = draw.size(300, 60)
        self.truth = self.pull(positives, 0.1, round(positives / _PREVALENCE))

    def pull(self, positives: int, temperature: float, rows: int = 1000) -> NDArray[np.float64]:
        """Return the gradient by the weights of one pool, the temperature in spreads of its scores, [d]."""
        targets = (torch.arange(rows) < positives).long()
        x = torch.randn(rows, _COLUMNS, generator=self._draw) + targets[:, None] * self._shift
        weights = self._weights.clone().requires_grad_()
        scores = x @ weights
        spread = float(scores.detach().std())
        loss: Tensor = SmoothAPLoss(1, 0, temperature * spread)(scores[:, None], targets)
        (gradient,) = torch.autograd.grad(loss, weights)
        return gradient.double().numpy()

    def cosines(self, positives: int, temperature: float, pools: int) -> list[float]:
        """Return how well single pools agree with the truth."""
        return [cosine(self.pull(positives, temperature), self.truth) for _ in range(pools)]

    def averaged(self, positives: int, temperature: float, pools: int, times: int) -> list[float]:
        """Return how well means over so many pools agree with the truth."""
        found = []
        for _ in range(times):
            total = sum(self.pull(positives, temperature) for _ in range(pools))
            found.append(cosine(np.asarray(total), self.truth))
        return found
