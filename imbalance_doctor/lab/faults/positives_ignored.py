"""The mask of ignored rows covers the positives."""

from __future__ import annotations

import torch
from torch import Tensor

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.training import Training


class PositivesIgnored(Kind):
    """The mask was meant for uncertain rows and covers every positive, so no class is valid."""

    what = "Every positive has the label that the loss ignores"
    causes = ("no-valid-class", "pool-without-positives")
    of = "smooth-ap-constant"

    def targets(self, targets: Tensor, training: Training) -> Tensor:
        return torch.where(targets == 1, -100, targets)


KIND = PositivesIgnored()
