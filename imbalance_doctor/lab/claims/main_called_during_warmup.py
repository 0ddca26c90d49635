"""The switch empties the queue that calls during the warm-up filled."""

from __future__ import annotations

from torch import nn

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    settle,
)
from imbalance_doctor.losses import LossWarmupWrapper, SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary

__all__ = ["CLAIM"]

_BATCH, _WARMUP = 64, 5


def _held(main: SmoothAPLoss) -> int:
    return int((main._queue._q_targets != main.ignore_index).sum())  # noqa: SLF001


def _measure(draw: Draw) -> Figures:
    rows = binary(_BATCH * (_WARMUP + 1), 0.1, seed=draw.seed)
    found: dict[str, float] = {}
    for name, hooks in (("hooked", True), ("bare", False)):
        main = SmoothAPLoss(1, 1024, 0.1)
        loss = LossWarmupWrapper(nn.BCEWithLogitsLoss(), main, warmup_steps=_WARMUP)
        for step in range(_WARMUP + 1):
            if step == _WARMUP:
                found[f"{name}_before"] = _held(main)
            if hooks:
                loss.on_train_batch_start(step)
            if step < _WARMUP:
                part = rows.take(slice(step * _BATCH, (step + 1) * _BATCH))
                main(part.scores[:, None], part.targets)
        found[f"{name}_after"] = _held(main)
    return found


def _judge(f: Figures) -> Verdict:
    filled = above(f, "hooked_before", 0)
    return settle(
        (CONFIRMED, (filled, above(f, "hooked_after", 0))),
        (SHARPENED, (filled, above(f, "bare_after", 0))),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("WU-6",),
    document=(
        "Calling the main loss during the warm-up fills its queue with warm-up logits that nothing resets."
    ),
    measure=_measure,
    tell=(
        "It held {hooked_before:.0f} rows before the switch and {hooked_after:.0f} after it: the switch "
        "resets the queue ({bare_after:.0f} stay where the batch hook is not wired)."
    ),
    judge=_judge,
)
