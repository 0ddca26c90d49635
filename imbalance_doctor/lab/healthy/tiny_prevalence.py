"""A class so rare that average precision stays in the hundredths."""

from __future__ import annotations

from dataclasses import replace

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.worlds import World, clouds


class TinyPrevalence(Kind):
    """Average precision is measured against the prevalence, not against 1."""

    what = "Trains with plain cross-entropy on rows of which 3 to 6 in a thousand are positive"
    ugly = (
        "average precision ends at a few hundredths, which is several times the prevalence and "
        "near what the data allow; many batches have no positive"
    )

    def world(self, world: World, draw: Draw) -> World:
        rare = clouds(
            draw.whole(1, 10_000),
            rows=60_000,
            prevalence=draw.between(0.003, 0.006),
            distance=draw.between(0.35, 0.5),
        )
        return replace(rare, name=world.name)

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        # few positives and much overlap: what a larger model adds is learned by heart
        return setup.but(
            loss="bce", model="linear", learning_rate=1e-2, batch_size=256, steps=900, label_smoothing=0.0
        )


KIND = TinyPrevalence()
