"""Dropout, which only training sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World

_ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU)


class _InTraining(nn.Module):
    """Dropout where gradients are taken, and nowhere else."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.share) if torch.is_grad_enabled() else x


class Dropout(Kind):
    """The training loss is that of a handicapped network."""

    what = "Trains with plain cross-entropy and a dropout of 30 %"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = "the training loss is noisy and stays above that of validation, as if the two were mixed up"

    def network(self, net: nn.Sequential) -> nn.Sequential:
        share = 0.3
        layers: list[nn.Module] = []
        for layer in net:
            layers.append(layer)
            if isinstance(layer, _ACTIVATIONS):
                layers.append(_InTraining(share))
        return nn.Sequential(*layers)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            loss="bce", model="mlp" if setup.model == "linear" else setup.model, steps=setup.steps + 200
        )


KIND = Dropout()
