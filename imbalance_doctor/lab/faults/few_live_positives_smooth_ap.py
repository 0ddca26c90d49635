"""A batch too small for the gradient of a positive, beside a queue full of them."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class FewLivePositivesSmoothAP(Kind):
    """Most batches hold no positive, and those of the queue have no gradient.

    The pool looks fine and hardly anything is learned.
    """

    what = "Smooth-AP with a batch of 3 to 8 rows at one percent of positives"
    causes = ("few-live-positives",)
    of = "smooth-ap-constant"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        few = max(6, round(draw.between(0.004, 0.01) * 0.6 * len(world)))
        return setup.but(train_positives=few)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(batch_size=draw.whole(3, 8))


KIND = FewLivePositivesSmoothAP()
