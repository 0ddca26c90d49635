"""All labels are the one that the loss ignores."""

from __future__ import annotations

import torch
from torch import Tensor

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.training import Training


class AllRowsIgnored(Kind):
    """A wrong mask turns every label into the ignore index.

    No class is valid and the loss is exactly zero.
    """

    what = "Every training label is the ignore index"
    causes = ("no-valid-class",)
    of = "smooth-ap-constant"

    def targets(self, targets: Tensor, training: Training) -> Tensor:
        return torch.full_like(targets, -100)


KIND = AllRowsIgnored()
