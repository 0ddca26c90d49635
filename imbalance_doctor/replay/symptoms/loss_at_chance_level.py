"""Scores far closer together than the temperature leave Smooth-AP at its chance level."""

from __future__ import annotations

from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_TOO_HIGH, _FITTING = 1000.0, 0.1
_NEAR = 0.01


def _show(rows: Rows, cause: bool) -> Shown:
    ratio = _TOO_HIGH if cause else _FITTING
    chance = 1 - (len(rows.positives) + 1) / (len(rows) + 1)
    loss, _ = slope(SmoothAPLoss(1, 0, ratio * rows.scores.std().item()), rows)
    return Shown(
        f"Smooth-AP within {_NEAR:.0%} of 1 - (P + 1) / (M + 1) = {chance:.4f}",
        f"loss {loss:.4f} at a temperature of {ratio:g} times the spread of the scores",
        abs(loss - chance) < _NEAR * chance,
    )


SYMPTOM = Symptom(
    covers=("DX-1", "AP-9"),
    claim=(
        "A temperature far above the spread of the scores, not below it, keeps Smooth-AP at the level of"
        " chance: every soft rank is one half."
    ),
    show=_show,
    rows=made(),
    takes_scores=True,
)
