"""What a replay is run with: the fields of a training plan that say something about recorded scores."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import (
    LOSS_DEFAULTS,
    LOSS_FIELDS,
    LOSSES,
    RANKING_LOSSES,
    WRAPPER_DEFAULTS,
    TrainingPlan,
)

__all__ = ["IMPLEMENTATIONS", "SETTINGS", "ReplaySettings"]

IMPLEMENTATIONS = {"imbalance_doctor": "imbalance_doctor", "imbalanced_losses": "imbalanced_losses"}
IMPLEMENTATIONS["reference"] = "imbalanced_losses"

_LENGTHS = ("warmup_epochs", "warmup_steps")
_SCHEDULE = ("blend_epochs", "blend_steps", *WRAPPER_DEFAULTS, "reset_queue_each_epoch")
_ALWAYS = frozenset(("loss", "implementation", "ignore_index", "batch_size", "world_size", "precision"))


@dataclass(frozen=True, kw_only=True)
class ReplaySettings:
    """Settings of one replay, named and typed as the fields of :class:`TrainingPlan`. None: the default.

    Attributes
    ----------
    loss
        One of `evidence.LOSSES`.
    implementation
        ``imbalance_doctor``, or ``reference`` (``imbalanced_losses``, which must be installed).
    batch_size
        Rows per step and worker. None: the steps of the dump; with a number the rows are divided anew, in
        their order.
    world_size
        Simulated workers, which share the rows of a step out in equal runs.
    gather_distributed
        False: each worker has a loss and a queue of its own. Otherwise all see the rows of all.
    warmup_steps, warmup_epochs
        With one of them the loss begins behind a log loss, and its temperature follows the schedule.
    precision
        Number format the scores are handed over in; None: as dumped.
    """

    loss: str
    implementation: str | None = None
    queue_size: int | None = None
    max_pool_size: int | None = None
    temperature: float | None = None
    quantile: float | None = None
    quantile_interpolation: str | None = None
    alpha: float | None = None
    beta: float | None = None
    gamma: float | None = None
    class_weights: tuple[float, ...] | None = None
    pos_weight: float | None = None
    label_smoothing: float | None = None
    background_class: int | None = None
    surrogate: str | None = None
    n_knots: int | None = None
    tau_scale: str | None = None
    pos_numerator: str | None = None
    budget_basis: str | None = None
    iid_mask: bool | None = None
    reduction: str | None = None
    ignore_index: int | None = None
    gather_distributed: bool | None = None
    batch_size: int | None = None
    world_size: int | None = None
    precision: str | None = None
    warmup_epochs: float | None = None
    warmup_steps: int | None = None
    blend_epochs: float | None = None
    blend_steps: int | None = None
    temp_start: float | None = None
    temp_end: float | None = None
    temp_decay_steps: int | None = None
    final_main_weight: float | None = None
    reset_queue_each_epoch: bool | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise InputError(f"expected one of {', '.join(LOSSES)}, but got '{self.loss}'", where="--loss")
        if (self.implementation or "imbalance_doctor") not in IMPLEMENTATIONS:
            known = ", ".join(IMPLEMENTATIONS)
            raise InputError(
                f"expected one of {known}, but got '{self.implementation}'", where="--implementation"
            )
        if self.reduction == "none":
            raise InputError("expected mean or sum, but got none", where="--reduction")

    @classmethod
    def of(cls, plan: TrainingPlan) -> Self:
        """Take what a plan says about a replay.

        Raises
        ------
        InputError
            The plan names no loss, or one that cannot be replayed.
        """
        if plan.loss is None:
            raise InputError(
                "expected a loss to replay, but got none", where="--loss", hint=f"one of {', '.join(LOSSES)}"
            )
        return cls(**{name: getattr(plan, name) for name in SETTINGS})

    @property
    def ranking(self) -> bool:
        """Whether the loss ranks a pool."""
        return self.loss in RANKING_LOSSES

    @property
    def bundled(self) -> bool:
        """Whether the loss is one of this package."""
        return IMPLEMENTATIONS[self.implementation or "imbalance_doctor"] == "imbalance_doctor"

    @property
    def workers(self) -> int:
        """Losses that see rows of their own."""
        return (self.world_size or 1) if self.gather_distributed is False else 1

    @property
    def warmed(self) -> bool:
        """Whether the loss begins behind a warm-up."""
        return any(getattr(self, name) is not None for name in _LENGTHS)

    def takes(self, name: str) -> bool:
        """Tell whether another value of this field changes the replay."""
        if name in _LENGTHS:
            return True
        if name in _SCHEDULE:
            return self.warmed
        return name in _ALWAYS or name in LOSS_FIELDS[self.loss] & SETTINGS

    def value(self, name: str) -> object:
        """Return a setting, or the default the loss has for it."""
        own = getattr(self, name)
        defaults = {**LOSS_DEFAULTS.get(self.loss, {}), **(WRAPPER_DEFAULTS if self.warmed else {})}
        return defaults.get(name) if own is None else own


SETTINGS = frozenset(f.name for f in fields(ReplaySettings))
"""Names of all settings."""
