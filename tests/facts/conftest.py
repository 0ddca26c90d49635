"""Short ways to state labels and a plan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from imbalance_doctor.evidence import LabelCounts, PlannedRun, TrainingPlan
from imbalance_doctor.facts.base import Evidence, Facts, measure

Counts = Callable[..., LabelCounts]
Measured = Callable[..., Facts]


def _counts(*counts: int, rows: int | None = None, **more: object) -> LabelCounts:
    """Classes 0..C-1; two classes have 1 as the positive one; indicators where `rows` is given."""
    fields: dict[str, object] = {"kind": "classes", "rows": sum(counts)}
    if rows is not None:
        fields = {"kind": "indicator", "rows": rows, "positive": 0 if len(counts) == 1 else None}
    elif len(counts) == 2:
        fields["positive"] = 1
    return LabelCounts(
        classes=tuple(str(i) for i in range(len(counts))),
        counts=np.array(counts, dtype=np.int64),
        **{**fields, **more},
    )


def _measured(labels: LabelCounts | None = None, **plan: object) -> Facts:
    completed, _ = PlannedRun(plan=TrainingPlan(**plan)).completed()
    return measure(Evidence(labels=labels, plan=completed))


@pytest.fixture(scope="session")
def counts() -> Counts:
    return _counts


@pytest.fixture(scope="session")
def measured() -> Measured:
    return _measured
