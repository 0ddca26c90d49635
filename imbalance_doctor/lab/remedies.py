"""Whether the remedy that the diagnosis names helps: it is applied, the run is trained again, and compared.

Only the tool's words count: the plan values that its findings suggest, else what the sentence of the cause
tells a user to change. A cause whose remedy lies in code or data (a hook to wire, labels to mend) cannot be
tried by changing a plan; such runs are counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from imbalance_doctor.facts._numbers import wilson
from imbalance_doctor.lab.base import Setup, find, setup_of
from imbalance_doctor.lab.diagnosis import Answer
from imbalance_doctor.lab.runs import Progress, silent
from imbalance_doctor.lab.training import train
from imbalance_doctor.lab.worlds import world_named

__all__ = ["Trial", "figures", "tries", "try_all"]

_ENOUGH = 0.5
"""Share of the harm that must come back."""

_IN_WORDS: Mapping[str, tuple[Callable[[Setup], Setup], ...]] = {
    # "a tenth of it": a user goes on while it helps
    "learning-rate-too-high": (
        lambda s: s.but(learning_rate=s.learning_rate / 10),
        lambda s: s.but(learning_rate=s.learning_rate / 100),
        lambda s: s.but(learning_rate=s.learning_rate / 1000),
    ),
    "learning-rate-too-low": (
        lambda s: s.but(learning_rate=s.learning_rate * 10),
        lambda s: s.but(learning_rate=s.learning_rate * 100),
        lambda s: s.but(learning_rate=s.learning_rate * 1000),
    ),
    "unstable-gamma": (lambda s: s.but(gamma=2.0),),
    "gamma-too-high": (lambda s: s.but(gamma=2.0),),
    "alpha-misconfigured": (lambda s: s.but(alpha=-1.0, pos_weight=1.0),),
    "majority-collapse": (lambda s: s.but(alpha=-1.0, pos_weight=1.0),),
    "score-runaway": (lambda s: s.but(final_main_weight=0.5),),
    "warmup-too-long": (lambda s: s.but(warmup=0.25),),
    "warmup-too-short": (lambda s: s.but(warmup=0.25),),
    "cap-changes-objective": (lambda s: s.but(max_pool_size=None),),
    "minority-overfit": (lambda s: s,),  # the checkpoint of the best validation metric
}
"""What a user does who follows the sentence of a cause, one try after the other."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One remedy, tried.

    Attributes
    ----------
    run, cause
        The run, and the cause that was named first.
    right
        Whether that is a right cause.
    changes
        What was changed in the last try, by plan field.
    recovered
        Share of the harm that came back, 1 for all of it; None where nothing could be tried.
    """

    run: str
    cause: str
    right: bool
    changes: Mapping[str, Any]
    recovered: float | None

    @property
    def helped(self) -> bool:
        """Whether at least half of the harm came back."""
        return self.recovered is not None and self.recovered >= _ENOUGH


def tries(answer: Answer, setup: Setup) -> list[Setup]:
    """Return the setups that a user would train next, the first one first; none where a plan cannot tell."""
    suggested = _suggested(answer.remedy or {}, setup)
    found = [suggested] if suggested != setup else []
    if answer.causes and not found:
        found = [change(setup) for change in _IN_WORDS.get(answer.causes[0], ())]
    best_checkpoint = answer.causes[:1] == ("minority-overfit",)
    return [each for each in found if each != setup or best_checkpoint]


def _suggested(values: Mapping[str, Any], setup: Setup) -> Setup:
    """Return the setup with the plan values that findings suggest."""
    changes = {name: value for name, value in values.items() if name in Setup.__dataclass_fields__}
    if "temperature" in values:
        changes |= {"temp_start": values["temperature"], "temp_end": values["temperature"]}
    for name in ("queue_size", "batch_size", "hidden"):
        if changes.get(name) is not None:
            changes[name] = round(changes[name])
    return setup.but(**{name: value for name, value in changes.items() if value is not None})


def try_one(answer: Answer, data: str | None) -> Trial:
    """Apply the named remedy to one run and train it again."""
    torch.set_num_threads(1)
    label = answer.label
    kind = find(label.kind)
    world, setup, _ = setup_of(
        kind, world_named(label.world, label.seed, data), label.seed, held_out=label.held_out
    )
    if setup.steps != label.steps:  # a short run is tried as a short run
        setup = setup.but(steps=label.steps, every=max(1, label.steps // 20))
    cause = answer.causes[0] if answer.causes else ""
    recovered: float | None = None
    changes: dict[str, Any] = {}
    for changed in tries(answer, setup):
        run = train(kind, changed, world, label.seed)
        again = run.stopped if cause == "minority-overfit" else run.outcome
        recovered = (again - label.outcome) / (label.twin - label.outcome)
        changes = {
            name: getattr(changed, name)
            for name in Setup.__dataclass_fields__
            if getattr(changed, name) != getattr(setup, name)
        }
        if recovered >= _ENOUGH:
            break
    return Trial(
        run=label.name, cause=cause, right=cause in label.causes, changes=changes, recovered=recovered
    )


def try_all(
    said: Iterable[Answer], data: str | None, *, workers: int = 1, progress: Progress = silent
) -> list[Trial]:
    """Try the remedy of every harmed run that the tool calls faulty."""
    alarmed = [a for a in said if a.label.harmed and a.alarm]
    if workers <= 1:
        found = []
        for done, answer in enumerate(alarmed, 1):
            found.append(try_one(answer, data))
            progress(done, len(alarmed))
        return found
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(try_one, a, data) for a in alarmed]
        found = []
        for done, future in enumerate(waiting, 1):
            found.append(future.result())
            progress(done, len(alarmed))
    return found


def figures(trials: Iterable[Trial]) -> dict[str, Any]:
    """Return how often a remedy that was named and could be tried gave back half of the harm."""
    trials = list(trials)
    tried = [t for t in trials if t.recovered is not None]
    helped = sum(t.helped for t in tried)
    low, high = wilson(helped, len(tried)) if tried else (None, None)
    right = [t for t in tried if t.right]
    return {
        "recovered": helped / len(tried) if tried else None,
        "recovered_low": low,
        "recovered_high": high,
        "recovered_of": [helped, len(tried)],
        "recovered_where_right_of": [sum(t.helped for t in right), len(right)],
        "not_a_plan_value": len(trials) - len(tried),
    }
