"""How long the phases of the run are: warm-up, main, and the decay of the temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts

_RUN = ("plan.steps",)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Facts of the schedule, in batches per worker."""

    after: ClassVar[tuple[str, ...]] = ("labels", "batch")

    steps: float | None = described(
        "batches in the whole run (from steps, or epochs x batches per epoch)",
        unit="steps",
        needs=_RUN,
    )
    warmup_steps: float | None = described(
        "steps before the main loss takes part", unit="steps", needs=("plan.warmup_steps",)
    )
    main_steps: float | None = described(
        "steps in which the main loss takes part", unit="steps", needs=(*_RUN, "plan.warmup_steps")
    )
    warmup_share: float | None = described(
        "share of the run spent in warm-up", unit="share", needs=(*_RUN, "plan.warmup_steps")
    )
    decay_share: float | None = described(
        "share of the main phase after which temp_end is reached (above 1: never reached)",
        needs=(*_RUN, "plan.temp_decay_steps"),
    )
    temperature_ratio: float | None = described(
        "temp_start over temp_end", needs=("plan.temp_start", "plan.temp_end")
    )
    lowest_temperature: float | None = described(
        "lowest temperature the run reaches: temp_end under a schedule, else the temperature",
        unit="logit",
        needs=("plan.temperature",),
    )
    highest_temperature: float | None = described(
        "highest temperature of the main phase", unit="logit", needs=("plan.temperature",)
    )
    lowest_over_spread: float | None = described(
        "lowest temperature over score spread", needs=("plan.temperature", "plan.score_std")
    )
    highest_over_spread: float | None = described(
        "highest temperature over score spread", needs=("plan.temperature", "plan.score_std")
    )
    positives_in_run: float | None = described(
        "positive rows shown during the whole run, repetitions counted",
        unit="rows",
        needs=("labels", "plan.batch_size", "plan.steps"),
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the schedule; a length in epochs needs labels and a batch size."""
        raise NotImplementedError
