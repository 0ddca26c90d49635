"""Each worker ranks its own shard of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from imbalance_doctor.lab.base import Draw, Kind, Setup
from imbalance_doctor.lab.training import Training
from imbalance_doctor.lab.worlds import World


class MissingGather(Kind):
    """Nothing gathers the scores, so each shard is ranked alone and the losses are averaged.

    The twin ranks the whole batch.
    """

    what = "8 to 32 workers that rank their shards of a batch alone, at few positives"
    causes = ("missing-gather",)
    of = "smooth-ap-constant"

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        return setup.but(
            queue_size=0,
            batch_size=draw.whole(128, 320),
            world_size=draw.choice([8, 16, 32]),
            train_positives=max(12, round(draw.between(0.01, 0.03) * 0.6 * len(world))),
        )

    def ranked(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        count = training.setup.world_size
        losses = torch.stack(
            [
                training.ranked(*shard)
                for shard in zip(logits.tensor_split(count), targets.tensor_split(count), strict=True)
            ]
        )
        training.extra = {
            "rank_loss_std": losses.detach().std(correction=0),
            "rank_loss_min": losses.detach().min(),
            "rank_loss_max": losses.detach().max(),
        }
        return losses.mean()


KIND = MissingGather()
