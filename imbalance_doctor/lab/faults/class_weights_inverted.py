"""Class weights that grow with the class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from imbalance_doctor.lab.base import Kind
from imbalance_doctor.lab.training import Training


class ClassWeightsInverted(Kind):
    """Counts were taken for inverse counts, so the rare classes count next to nothing."""

    what = "Cross-entropy whose class weights are the class counts"
    causes = ("alpha-misconfigured", "majority-collapse")
    of = "weighted"
    tasks = ("multiclass",)

    def plain(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        counts = torch.bincount(training.y, minlength=training.outputs).to(logits.dtype)
        loss: Tensor = functional.cross_entropy(logits, targets, counts / counts.mean())
        return loss


KIND = ClassWeightsInverted()
