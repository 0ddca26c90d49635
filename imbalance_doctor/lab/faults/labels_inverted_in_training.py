"""Training labels in which 0 means positive."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbalance_doctor.lab.base import Kind, Setup, Split


class LabelsInvertedInTraining(Kind):
    """The training file codes the classes the other way round than the validation file."""

    what = "Training labels inverted"
    causes = ("labels-misencoded", "evaluation-inverted")
    of = "plain"
    tasks = ("binary", "multilabel")

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        return replace(split, y=1 - split.y)


KIND = LabelsInvertedInTraining()
