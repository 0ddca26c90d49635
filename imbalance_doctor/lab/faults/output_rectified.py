"""A rectifier after the last layer."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.base import Kind


class OutputRectified(Kind):
    """The loss pushes logits to zero, where the rectifier has no gradient. Every row gets the same answer."""

    what = "A ReLU on the logits"
    causes = ("majority-collapse", "not-separable")
    of = "plain"
    tasks = ("binary", "multilabel")

    def network(self, net: nn.Sequential) -> nn.Sequential:
        return net.append(nn.ReLU())


KIND = OutputRectified()
