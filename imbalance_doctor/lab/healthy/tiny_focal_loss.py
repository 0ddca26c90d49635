"""A focal loss of thousandths."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class TinyFocalLoss(Kind):
    """A high gamma takes nearly all of the value of a loss away, and little of what is learned."""

    what = "Trains with the focal loss at a gamma of 3 to 4"
    tasks = ("binary", "multiclass", "multilabel")
    ugly = (
        "the loss falls to thousandths and the gradient with it, while average precision is far "
        "from 1: the loss has its own scale"
    )

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        loss = "softmax-focal" if world.task == "multiclass" else "sigmoid-focal"
        return setup.but(loss=loss, gamma=draw.between(3.0, 4.0), alpha=-1.0, label_smoothing=0.0)


KIND = TinyFocalLoss()
