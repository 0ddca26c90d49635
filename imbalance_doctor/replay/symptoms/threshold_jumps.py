"""A quantile that rests on one row of the pool moves with every pool."""

from __future__ import annotations

import torch

from imbalance_doctor.losses._thresholds import column_quantiles
from imbalance_doctor.replay.symptoms._parts import made
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_QUANTILE, _POOLS = 0.01, 60
_STARVED, _AMPLE = 1, 100
_JUMPY = 0.5


def _show(rows: Rows, cause: bool) -> Shown:
    held = _STARVED if cause else _AMPLE
    size = round(held / _QUANTILE)
    ordered = rows.scores.sort().values
    above = []
    for _ in range(_POOLS):
        pool = rows.scores[torch.randint(len(rows), (size,))]
        threshold = column_quantiles(pool[:, None], [1 - _QUANTILE], "higher")[0]
        above.append(len(rows) - int(torch.searchsorted(ordered, threshold, right=True)))
    taken = torch.tensor(above, dtype=torch.float64) / len(rows)
    swing = (taken.std() / _QUANTILE).item()
    return Shown(
        f"the share of rows above the threshold swings by more than {_JUMPY:.0%} of q, as M * q = {held}",
        f"by {swing:.0%} over {_POOLS} pools of {size} rows; 1 / sqrt(M * q) is {held**-0.5:.0%}",
        swing > _JUMPY,
    )


SYMPTOM = Symptom(
    covers=("DX-6", "RQ-3", "RQ-7", "RQ-8"),
    claim=(
        "The threshold of a quantile is one row of the pool: with M * q rows above it the share it really"
        " takes swings by about 1 / sqrt(M * q), a third even at the usual 10."
    ),
    show=_show,
    rows=made(20_000),
    takes_scores=True,
)
