"""False positives among the labels show as training rows that rank worse than clean ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imbalance_doctor.losses import sigmoid_focal
from imbalance_doctor.replay.symptoms._parts import average_precision, train
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_NOISE, _GAMMAS = 0.4, (0.0, 5.0)
_GAP = 0.1


def _rows() -> Rows:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(8000, 6, generator=draw)
    level = x[:, 0] + x[:, 1] + 0.4 * torch.randn(len(x), generator=draw)
    return Rows(x, (level > level.quantile(0.95)).long())


def _show(rows: Rows, cause: bool) -> Shown:
    cut = len(rows) // 2
    labels = rows.targets[:cut].clone()
    if cause:
        right = int(labels.sum())
        wrong = (labels == 0).nonzero()[:, 0]
        wrong = wrong[torch.randperm(len(wrong))[: round(right * _NOISE / (1 - _NOISE))]]
        labels[wrong] = 1
    told, worse = [], 0
    for gamma in _GAMMAS:
        own, clean = _trained(Rows(rows.scores[:cut], labels), rows.take(slice(cut, None)), gamma)
        told.append(f"{own:.3f} against {clean:.3f} at gamma {gamma:g}")
        worse += own < clean - _GAP
    return Shown(
        f"average precision of the training rows at least {_GAP} below that of clean held-out rows",
        "; ".join(told),
        worse == len(_GAMMAS),
    )


def _trained(train_rows: Rows, held_out: Rows, gamma: float) -> tuple[float, float]:
    torch.manual_seed(0)
    model = nn.Linear(train_rows.scores.shape[1], 1)

    def cost(x: Tensor, y: Tensor) -> Tensor:
        return sigmoid_focal(x[:, 0], y, alpha=-1, gamma=gamma)

    train(model, train_rows, cost, steps=200, rate=0.03)
    with torch.no_grad():
        own, clean = (average_precision(model(r.scores)[:, 0], r.targets) for r in (train_rows, held_out))
    return own, clean


SYMPTOM = Symptom(
    covers=("DX-10", "U-1", "G-2"),
    claim=(
        "False positives among the training labels show as training rows that rank worse than clean ones,"
        " with cross-entropy as with a focal loss: the focal loss, which is usually blamed, is not the"
        " cause."
    ),
    show=_show,
    rows=_rows,
)
