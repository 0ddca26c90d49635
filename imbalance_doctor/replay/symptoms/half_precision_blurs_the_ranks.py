"""In bf16 neighbouring scores are equal, and the gradient of Smooth-AP points elsewhere."""

from __future__ import annotations

import torch

from imbalance_doctor.replay.symptoms._parts import library, made, norm, share, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_TEMPERATURE, _WRONG = 0.01, 0.2


def _show(rows: Rows, cause: bool) -> Shown:
    dtype = torch.bfloat16 if cause else torch.float32
    loss = library().SmoothAPLoss(1, 0, _TEMPERATURE)
    exact = slope(loss, Rows(rows.scores.double(), rows.targets))[1]
    found = slope(loss, Rows(rows.scores.to(dtype), rows.targets))[1].double()
    error = share(norm(found - exact), norm(exact))
    return Shown(
        f"a gradient off by more than {_WRONG:.0%} of its size, in bf16 at temperature {_TEMPERATURE:g}",
        f"off by {error:.1%} in {dtype}; spread of the scores {rows.scores.std():.3g}",
        error > _WRONG,
    )


SYMPTOM = Symptom(
    covers=("B17", "AP-10"),
    claim=(
        "At logits of usual size bf16 has steps wider than a small temperature: neighbouring scores"
        " tie, and the gradient of Smooth-AP is far off."
    ),
    show=_show,
    rows=made(4096, 0.1, spread=5.0, gap=1.0),
    takes_scores=True,
    reference=True,
)
