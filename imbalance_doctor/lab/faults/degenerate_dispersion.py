"""Features that are dead, so that all scores are equal."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.faults import _parts


class DegenerateDispersion(Kind):
    """Units that never fire leave the scores constant. The loss skips the class and is zero."""

    what = "Dead units before the last layer, with the partial AUC"
    causes = ("degenerate-dispersion", "no-valid-class", "not-separable")
    of = "pauc-at-budget"

    def network(self, net: nn.Sequential) -> nn.Sequential:
        return net.insert(len(net) - 1, _parts.DeadFeatures())


KIND = DegenerateDispersion()
