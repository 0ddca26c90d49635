"""A frozen encoder whose features are dead."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.faults import _parts


class DeadFeatures(Kind):
    """Rectified units that never fire leave the head nothing but its bias."""

    what = "Dead units before the last layer"
    causes = ("not-separable",)
    of = "plain"
    tasks = ("binary", "multiclass", "multilabel")

    def network(self, net: nn.Sequential) -> nn.Sequential:
        return net.insert(len(net) - 1, _parts.DeadFeatures())


KIND = DeadFeatures()
