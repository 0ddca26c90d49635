"""A replay's log as a file that `diagnose` reads: JSON lines, one record per step."""

from __future__ import annotations

import json

from imbalance_doctor.evidence import TrainingLog

__all__ = ["as_lines"]


def as_lines(log: TrainingLog) -> str:
    """Return the text of the file; a loss that is no number stands there as NaN."""
    records: dict[int, dict[str, float]] = {}
    for series in log.series:
        for order, step, value in zip(
            series.order.tolist(), series.steps.tolist(), series.values.tolist(), strict=True
        ):
            whole = int(step) if step.is_integer() else step
            records.setdefault(order, {"step": whole})[series.key] = value
    return "".join(f"{json.dumps(records[order])}\n" for order in sorted(records))
