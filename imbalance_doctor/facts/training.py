"""What the curves of a training log show: loss, validation metrics, gradient norm, learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts, Span


@dataclass(frozen=True, kw_only=True)
class Training:
    """Facts of the curves every log has."""

    after: ClassVar[tuple[str, ...]] = ("labels", "chance")

    loss_points: int | None = described("values of the training loss", unit="values", needs=("log",))
    validation_points: int | None = described(
        "values of the validation series that has most of them", unit="values", needs=("log",)
    )

    seen: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:  # noqa: ARG003
        """Measure the curves; None without a log."""
        log = evidence.log
        if log is None:
            return None
        loss = log.get("loss", "train") or log.get("loss", "")
        return cls(
            loss_points=0 if loss is None else len(loss),
            validation_points=max((len(s) for s in log.series if s.phase == "val"), default=0),
        )
