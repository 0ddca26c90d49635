"""A network of one hidden unit."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class OneHiddenUnit(Kind):
    """Its last activation cuts off half of the answers, and one direction is too little for the classes."""

    what = "One hidden unit in each layer"
    causes = ("not-separable",)
    of = "plain"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(model="mlp" if setup.model == "linear" else setup.model, activation="ReLU")

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(hidden=1)

    def network(self, net: nn.Sequential) -> nn.Sequential:
        return net.append(nn.ReLU())


KIND = OneHiddenUnit()
