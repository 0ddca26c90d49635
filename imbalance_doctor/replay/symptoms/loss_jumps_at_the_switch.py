"""The loss jumps where warmup ends, because its unit changes; the queue is empty then."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.losses import LossWarmupWrapper, SmoothAPLoss
from imbalance_doctor.replay.symptoms._parts import binary, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_BATCH, _WARMUP, _STEPS = 250, 5, 10
_JUMP = 2.0


def _rows() -> Rows:
    """Return rows about as a model trained by cross-entropy scores them."""
    rows = binary(2500, gap=2.0)
    return Rows(rows.scores - 4, rows.targets)


class _CrossEntropy(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(x[:, 0], y.to(x.dtype))


def _show(rows: Rows, cause: bool) -> Shown:
    main = SmoothAPLoss(1, 4 * _BATCH, 0.1)
    warmup = _WARMUP if cause else 0
    loss = LossWarmupWrapper(_CrossEntropy(), main, temp_start=0.1, temp_end=0.1, warmup_steps=warmup)
    course, stored = [], 0
    for step in range(_STEPS):
        if step == _WARMUP:
            stored = int((main._queue._q_targets != main.ignore_index).sum())  # noqa: SLF001
        loss.on_train_batch_start(step)
        at = slice(step * _BATCH % len(rows), step * _BATCH % len(rows) + _BATCH)
        course.append(slope(loss, rows.take(at))[0])
    before, after = sum(course[:_WARMUP]) / _WARMUP, sum(course[_WARMUP:]) / (_STEPS - _WARMUP)
    return Shown(
        f"at step {_WARMUP} the loss jumps by a factor above {_JUMP:g} with no row in the queue to poison it",
        f"from {before:.3f} to {after:.3f} on scores that did not change; {stored} rows in the queue",
        after > _JUMP * before and stored == 0,
    )


SYMPTOM = Symptom(
    covers=("DX-12", "WU-6"),
    claim=(
        "The loss jumps where warmup ends because another loss with another unit takes over; the wrapper"
        " leaves the queue empty during warmup, so the poisoned queue that is blamed cannot be the cause."
    ),
    show=_show,
    rows=_rows,
)
