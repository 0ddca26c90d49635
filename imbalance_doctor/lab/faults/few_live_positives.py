"""A batch too small for the gradient of a positive, beside a queue full of them."""

from __future__ import annotations

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World


class FewLivePositives(Kind):
    """Most batches hold no positive, and those of the queue have no gradient.

    The pool looks fine and hardly anything is learned.
    """

    what = "The partial AUC with a batch of 4 to 10 rows at one percent of positives"
    causes = ("few-live-positives",)
    of = "pauc-at-budget"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        few = max(6, round(draw.between(0.004, 0.01) * 0.6 * len(world)))
        return setup.but(train_positives=few)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(batch_size=draw.whole(4, 10))


KIND = FewLivePositives()
