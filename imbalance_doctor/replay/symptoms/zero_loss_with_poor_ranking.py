"""A loss of 0.0 beside a poor ranking means that nothing was ranked, whatever the scale."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import average_precision, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_SCALES = (0.01, 1.0, 100.0, 10_000.0)
_POOR, _NEAR_ZERO = 0.7, 0.01


def _show(rows: Rows, cause: bool) -> Shown:
    poor = average_precision(rows.scores, rows.targets)
    targets = torch.full_like(rows.targets, -100) if cause else rows.targets
    losses = [slope(SmoothAPLoss(1, 0, 0.1), Rows(scale * rows.scores, targets))[0] for scale in _SCALES]
    return Shown(
        f"loss below {_NEAR_ZERO} at an average precision below {_POOR}, as every target is the ignore index",
        f"losses {min(losses):.3f} to {max(losses):.3f} for logits times {_SCALES[0]:g} to {_SCALES[-1]:g};"
        f" average precision {poor:.3f}",
        max(losses) < _NEAR_ZERO and poor < _POOR,
    )


SYMPTOM = Symptom(
    covers=("DX-13", "AP-11"),
    claim=(
        "A loss near zero beside poor metrics means that no class could be ranked; the scale of the"
        " scores, which is usually blamed, moves a poor ranking's loss nowhere near zero."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
