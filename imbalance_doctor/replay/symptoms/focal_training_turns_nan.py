"""Training with gamma 0.5 goes well until one row is certain, and then every weight is NaN."""

from __future__ import annotations

import math
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from imbalance_doctor.losses import sigmoid_focal
from imbalance_doctor.replay.symptoms._parts import plain_focal, train
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_GAMMAS, _STEPS = (0.25, 0.5, 0.75), 160


def _rows() -> Rows:
    """Return scikit-learn's digits, 0 and 1 against the rest, or something as easy without it."""
    if find_spec("sklearn") is not None:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]

        x, y = load_digits(return_X_y=True)
        return Rows(torch.from_numpy(x).float() / 16, torch.from_numpy(y <= 1).long())
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1800, 64, generator=draw)
    return Rows(x, (x[:, 0] + x[:, 1] > 1).long())


def _course(rows: Rows, gamma: float, *, plain: bool) -> list[tuple[float, float]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(rows.scores.shape[1], 32), nn.ReLU(), nn.Linear(32, 1))

    def cost(x: Tensor, y: Tensor) -> Tensor:
        if plain:
            return plain_focal(x[:, 0], y, gamma).mean()
        return sigmoid_focal(x[:, 0], y, alpha=-1, gamma=gamma)

    return train(model, rows, cost, steps=_STEPS, rate=0.02, batch=128)


def _show(rows: Rows, cause: bool) -> Shown:
    told, failed = [], 0
    forms = [(gamma, cause) for gamma in _GAMMAS] + ([] if cause else [(1.0, True), (2.0, True)])
    for gamma, plain in forms:
        course = _course(rows, gamma, plain=plain)
        loss, size = course[-1]
        failed += math.isnan(size) and math.isfinite(loss) and loss < course[0][0]
        told.append(
            f"gamma {gamma:g}: {'NaN' if math.isnan(size) else 'none'} by step {len(course)}, loss {loss:.2g}"
        )
    return Shown(
        "the loss falls smoothly, then the gradient is NaN at a step whose loss is finite and low",
        "; ".join(told),
        failed == len(_GAMMAS),
    )


SYMPTOM = Symptom(
    covers=("ST-1", "G-9"),
    claim=(
        "Training with gamma between 0 and 1 in the plain form goes well until a row becomes certain, and"
        " then turns NaN at a low and finite loss; the stabilised form trains on."
    ),
    show=_show,
    rows=_rows,
)
