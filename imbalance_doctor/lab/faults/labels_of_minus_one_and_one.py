"""Labels of -1 and 1 for a loss of 0 and 1."""

from __future__ import annotations

from torch import Tensor

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.training import Training


class LabelsOfMinusOneAndOne(Kind):
    """The loss of a negative has no lower bound. All scores are pushed down and the loss turns negative."""

    what = "Labels of -1 and 1 given to binary cross-entropy"
    causes = ("labels-misencoded",)
    of = "plain"
    tasks = ("binary", "multilabel")

    def targets(self, targets: Tensor, training: Training) -> Tensor:
        return 2 * targets - 1


KIND = LabelsOfMinusOneAndOne()
