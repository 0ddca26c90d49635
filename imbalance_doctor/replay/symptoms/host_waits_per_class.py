"""Every class makes the host wait for the device at each step."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from imbalance_doctor.replay.symptoms._parts import library, several, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_CLASSES = 20


class _Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations for which a host waits for its accelerator: reads of one value, and `nonzero`."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.count += func.name() in {"aten::_local_scalar_dense", "aten::nonzero"}
        return func(*args, **(kwargs or {}))


def _show(rows: Rows, cause: bool) -> Shown:
    classes = _CLASSES if cause else 1
    part = rows if cause else Rows(rows.scores[:, 0], (rows.targets == 0).long())
    with _Waits() as waits:  # type: ignore[no-untyped-call]
        slope(library().SmoothAPLoss(classes, 0, 0.1), part)
    return Shown(
        f"at least {_CLASSES} waits in one step, one for each class",
        f"{waits.count} waits for {classes} classes",
        waits.count >= _CLASSES,
    )


SYMPTOM = Symptom(
    covers=("B25",),
    claim=(
        "imbalanced-losses reads a count of every class back to the host, so on an accelerator each class"
        " makes the host wait at every step; counted here, not timed."
    ),
    show=_show,
    rows=partial(several, 400, _CLASSES),
    reference=True,
)
