"""Equal scores cost 1 - (P + 1) / (M + 1), which is one half for balanced rows only."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_HALF, _FAR = 0.5, 0.1


def _show(rows: Rows, cause: bool) -> Shown:
    if not cause:
        each = min(len(rows.positives), len(rows.negatives))
        rows = rows.first(each, each)
    positives = len(rows.positives)
    chance = 1 - (positives + 1) / (len(rows) + 1)
    loss, _ = slope(SmoothAPLoss(1, 0), Rows(torch.zeros(len(rows)), rows.targets))
    return Shown(
        f"equal scores cost 1 - (P + 1) / (M + 1) = {chance:.4f}, more than {_FAR} from {_HALF}",
        f"loss {loss:.4f} with {positives} positives of {len(rows)} rows",
        abs(loss - chance) < 1e-5 and abs(loss - _HALF) > _FAR,  # noqa: PLR2004  rounding
    )


SYMPTOM = Symptom(
    covers=("X-3", "AP-9", "DX-1"),
    claim=(
        "The Smooth-AP loss of equal scores is 1 - (P + 1) / (M + 1), so the often named 0.5 holds only"
        " where half of the rows are positive."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
