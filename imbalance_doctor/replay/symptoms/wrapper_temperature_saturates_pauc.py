"""The wrapper's default temperatures, meant for raw logits, leave the partial AUC without gradient."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_DEAD, _MOST = 1e-8, 0.5
_LATE = 100_000


def _show(rows: Rows, cause: bool) -> Shown:
    main = library().PAUCAtBudgetLoss(1, beta=0.1, queue_size=0)
    kept = {} if cause else {"temp_start": main.temperature, "temp_end": main.temperature}
    loss = library().LossWarmupWrapper(nn.BCEWithLogitsLoss(), main, **kept)
    for step in (0, _LATE):  # the clock starts, and its schedule has ended
        loss.on_train_batch_start(step)
    _, gradient = slope(loss, rows)
    dead = (gradient[rows.targets == 1].abs() < _DEAD).double().mean().item()
    return Shown(
        f"more than {_MOST:.0%} of the positives with a gradient below {_DEAD:g}",
        f"{dead:.0%}, at temperature {main.temperature:g}",
        dead > _MOST,
    )


SYMPTOM = Symptom(
    covers=("B20", "PA-10"),
    claim=(
        "LossWarmupWrapper ends at temperature 0.005 by default, meant for raw logits; the partial AUC"
        " multiplies it by the spread of the scores, and most positives get no gradient."
    ),
    show=_show,
    rows=made(gap=2.0),
    takes_scores=True,
    reference=True,
)
