"""How long the phases of the run are: warm-up, main, and the decay of the temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import TrainingPlan, described
from imbalance_doctor.facts._numbers import product, ratio
from imbalance_doctor.facts.base import Evidence, Facts

_RUN = ("plan.steps", "plan.world_size")


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
        "steps before the main loss takes part", unit="steps", needs=("plan.warmup_steps", "plan.world_size")
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
    spread_known: bool | None = described(
        "the plan or the log tells how wide the scores are spread", needs=("plan.temperature",)
    )
    positives_in_run: float | None = described(
        "positive rows shown during the whole run, repetitions counted",
        unit="rows",
        needs=("labels", "plan.batch_size", *_RUN),
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Measure the schedule; a length in epochs needs labels and a batch size.

        A plan with a temperature schedule but no warm-up starts in the main phase, as the wrapper of
        the reference library does. None when nothing about the schedule is known.
        """
        plan = evidence.plan
        per_epoch = facts.value("batch.per_epoch")
        scheduled = plan.temp_start is not None or plan.temp_end is not None
        steps = _length(plan.steps, plan.epochs, per_epoch)
        warmup = _length(plan.warmup_steps, plan.warmup_epochs, per_epoch)
        if plan.warmup_steps is None and plan.warmup_epochs is None and scheduled:
            warmup = 0.0
        main = None if steps is None or warmup is None else max(0.0, steps - warmup)
        decay = ratio(plan.temp_decay_steps, main)
        lowest, highest = _temperatures(plan, decay)
        share = ratio(warmup, steps)
        over, log = over_spread(plan, lowest), evidence.log
        logged = log is not None and log.get("score_std") is not None
        measured = cls(
            steps=steps,
            warmup_steps=warmup,
            main_steps=main,
            warmup_share=None if share is None else min(1.0, share),
            decay_share=decay,
            temperature_ratio=ratio(plan.temp_start, plan.temp_end),
            lowest_temperature=lowest,
            highest_temperature=highest,
            lowest_over_spread=over,
            highest_over_spread=over_spread(plan, highest),
            spread_known=None if lowest is None else over is not None or logged,
            positives_in_run=product(steps, facts.value("batch.expected_positives_global")),
        )
        return measured if measured != cls() else None


def _length(steps: int | None, epochs: float | None, per_epoch: int | None) -> float | None:
    return float(steps) if steps is not None else product(epochs, per_epoch)


def _temperatures(plan: TrainingPlan, decay: float | None) -> tuple[float | None, float | None]:
    """Return the lowest and highest temperature of the main phase.

    The decay is geometric: after a share f of it the temperature is ``start * (end / start) ** f``.
    Where the run ends first (`decay` above 1) it stops on the way.
    """
    start, end = plan.temp_start, plan.temp_end
    if start is None and end is None:
        return plan.temperature, plan.temperature
    if start is None or end is None:
        return None, None
    reached = end
    if decay is not None and decay > 1:
        reached = math.exp(math.log(start) + (math.log(end) - math.log(start)) / decay)
    return min(start, reached), max(start, reached)


def over_spread(plan: TrainingPlan, temperature: float | None) -> float | None:
    """Return a temperature over the score spread; None where it is relative to another scale."""
    if plan.tau_scale == "std":
        return temperature
    if plan.tau_scale not in (None, "none"):
        return None
    return ratio(temperature, plan.score_std)
