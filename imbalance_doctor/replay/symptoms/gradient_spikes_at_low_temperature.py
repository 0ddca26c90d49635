"""A temperature below the spacing of the scores leaves the gradient to a few pairs."""

from __future__ import annotations

import torch

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import made, norm, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_POOL, _LEAST = 1000, 10
_STARVED, _FITTING = 1.0, 100.0
_WILD = 3.0


def _show(rows: Rows, cause: bool) -> Shown:
    rows.head(_LEAST * _POOL)
    near = _STARVED if cause else _FITTING
    temperature = near * rows.scores.std().item() / _POOL
    pools = len(rows) // _POOL
    norms = []
    for pool in range(pools):
        part = rows.take(slice(pool * _POOL, (pool + 1) * _POOL))
        if len(part.positives):
            norms.append(norm(slope(SmoothAPLoss(1, 0, temperature), part)[1]))
    sizes = torch.tensor(norms or [0.0])
    wild = (sizes.max() / sizes.median()).item()
    return Shown(
        f"the largest gradient above {_WILD:g} times the median one, as M * temperature / spread = {near:g}",
        f"{wild:.1f} times over {len(norms)} pools of {_POOL} rows",
        len(norms) >= _LEAST and wild > _WILD,
    )


SYMPTOM = Symptom(
    covers=("DX-2", "AP-10"),
    claim=(
        "Where the temperature is below the spacing of the scores, the gradient rests on the few pairs"
        " that happen to be close, and its size jumps from step to step."
    ),
    show=_show,
    rows=made(40_000, 0.02),
    takes_scores=True,
)
