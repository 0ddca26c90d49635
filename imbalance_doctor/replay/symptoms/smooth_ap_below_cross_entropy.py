"""Smooth-AP ends below cross-entropy where its temperature is far too low."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import average_precision, train
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_TOO_LOW, _FITTING = 1e-6, 0.3
_WORSE = 0.05


def _rows() -> Rows:
    """Return inputs of two classes, of which the rare one lies on a curve."""
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(6000, 6, generator=draw)
    level = x[:, 0] * x[:, 1] + x[:, 2] + 0.5 * torch.randn(len(x), generator=draw)
    return Rows(x, (level > level.quantile(0.95)).long())


def _held_out(rows: Rows, *, temperature: float | None) -> float:
    """Train from scratch on two thirds of the rows; None stands for cross-entropy."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(rows.scores.shape[1], 32), nn.ReLU(), nn.Linear(32, 1))
    if temperature is None:

        def cost(x: Tensor, y: Tensor) -> Tensor:
            return functional.binary_cross_entropy_with_logits(x[:, 0], y.to(x.dtype))
    else:
        cost = SmoothAPLoss(1, 0, temperature)
    cut = len(rows) * 2 // 3
    train(model, rows.take(slice(0, cut)), cost, steps=200, rate=0.01)
    with torch.no_grad():
        return average_precision(model(rows.scores[cut:])[:, 0], rows.targets[cut:])


def _show(rows: Rows, cause: bool) -> Shown:
    temperature = _TOO_LOW if cause else _FITTING
    plain, ranked = _held_out(rows, temperature=None), _held_out(rows, temperature=temperature)
    return Shown(
        f"a cold start ends at least {_WORSE} below cross-entropy, for its temperature of {temperature:g}",
        f"average precision {ranked:.3f} against {plain:.3f}; neither was warmed up",
        ranked < plain - _WORSE,
    )


SYMPTOM = Symptom(
    covers=("DX-4", "WU-1"),
    claim=(
        "A cold start alone does not put Smooth-AP behind cross-entropy, although that is the usual"
        " explanation: a temperature far below the spread of the scores does."
    ),
    show=_show,
    rows=_rows,
)
