"""Start with a pointwise loss, then switch or blend to a ranking loss whose temperature falls.

The temperature falls geometrically from `temp_start` to `temp_end` over `temp_decay_steps` steps, counted
from the switch. Two hooks drive the schedule: :meth:`LossWarmupWrapper.on_train_epoch_start` (needed when the
warm-up is counted in epochs) and :meth:`LossWarmupWrapper.on_train_batch_start` (always needed).

Differs from ``imbalanced_losses``:

- under data parallelism both losses see the batch of all processes, so that every phase has the gradient of
  the whole batch, whatever the processes' shares;
- a run without warm-up starts its clock at the first step it is told of, so that fine-tuning from step 5,000
  starts at `temp_start` too;
- a main loss whose temperature is relative to the spread of scores gets start and end values to match;
- a hook that is not wired is reported.
"""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

from torch import Tensor, nn

from imbalance_doctor.losses.base import RankingLoss, positive_number
from imbalance_doctor.losses.gather import Batch, gather_batch, should_gather

__all__ = ["LossWarmupWrapper"]

_START, _END = 0.05, 0.005  # for scores in logits, and 5 and 0.5 times the ranking losses' own temperature
_PENDING = -1  # the switch happens at the next step


def _takes_weight(loss: nn.Module) -> bool:
    parameters = inspect.signature(loss.forward).parameters.values()
    return any(
        p.kind is p.VAR_KEYWORD or (p.name == "sample_weight" and p.kind is not p.VAR_POSITIONAL)
        for p in parameters
    )


class LossWarmupWrapper(nn.Module):
    """Warm-up loss first, main loss after, with a falling temperature.

    Parameters
    ----------
    warmup_loss
        Called as ``loss(logits, targets)``; gets `sample_weight` when its forward takes it.
    main_loss
        Called with every keyword argument of the step.
    warmup_epochs, warmup_steps
        Length of the warm-up in epochs or in steps; one of them.
    temp_start, temp_end
        Temperatures at the switch and `temp_decay_steps` later. None: 0.05 and 0.005, or, where the main
        loss's temperature is relative to the spread of scores (`tau_scale` other than ``'none'``), 5 and 0.5
        times its own: 0.5 and 0.05 for a partial AUC.
    temp_decay_steps
        Steps of the fall, at least 1.
    blend_epochs, blend_steps
        After the warm-up the main loss's weight rises linearly over so many epochs or steps.
    final_main_weight
        Weight of the main loss from then on, in (0, 1].
    reset_queue_each_epoch
        Empty the main loss's queue at the start of each epoch after the warm-up.
    gather_distributed
        None leaves the main loss's own setting, another value replaces it.

    Raises
    ------
    ValueError
        For values out of range, and for epochs mixed with steps.
    """

    def __init__(  # noqa: PLR0913  the reference library's signature
        self,
        warmup_loss: nn.Module,
        main_loss: nn.Module,
        warmup_epochs: int = 0,
        temp_start: float | None = None,
        temp_end: float | None = None,
        temp_decay_steps: int = 10_000,
        *,
        blend_epochs: int = 0,
        warmup_steps: int | None = None,
        blend_steps: int | None = None,
        final_main_weight: float = 1.0,
        reset_queue_each_epoch: bool = False,
        gather_distributed: bool | None = None,
    ) -> None:
        super().__init__()
        _check_units(warmup_epochs, warmup_steps, blend_epochs, blend_steps)
        for name, value, least in (
            ("warmup_epochs", warmup_epochs, 0),
            ("warmup_steps", warmup_steps or 0, 0),
            ("blend_epochs", blend_epochs, 0),
            ("blend_steps", blend_steps or 0, 0),
            ("temp_decay_steps", temp_decay_steps, 1),
        ):
            if value < least:
                msg = f"{name}: expected at least {least}, but got {value}"
                raise ValueError(msg)
        if not 0 < final_main_weight <= 1:
            msg = f"final_main_weight: expected a number above 0 and at most 1, but got {final_main_weight}"
            raise ValueError(msg)
        self.warmup_loss = warmup_loss
        self.main_loss = main_loss
        relative = isinstance(main_loss, RankingLoss) and main_loss.tau_scale != "none"
        own = float(main_loss.temperature) if relative else 0.0  # type: ignore[arg-type]
        start = (5 * own or _START) if temp_start is None else temp_start
        end = (0.5 * own or _END) if temp_end is None else temp_end
        self.temp_start = positive_number("temp_start", start)
        self.temp_end = positive_number("temp_end", end)
        self.temp_decay_steps = temp_decay_steps
        self.warmup_epochs = warmup_epochs
        self.blend_epochs = blend_epochs
        self.warmup_steps = warmup_steps or 0
        self.blend_steps = blend_steps or 0
        self.final_main_weight = float(final_main_weight)
        self.reset_queue_each_epoch = reset_queue_each_epoch
        if gather_distributed is not None and hasattr(main_loss, "gather_distributed"):
            main_loss.gather_distributed = gather_distributed  # type: ignore[assignment]
        self._step_mode = warmup_steps is not None
        self._has_temperature = hasattr(main_loss, "temperature")
        self._has_queue = hasattr(main_loss, "reset_queue")
        self._warmup_takes_weight = _takes_weight(warmup_loss)
        if not self._has_temperature:
            self._warn(f"{type(main_loss).__name__} has no temperature, so none is scheduled.")
        if reset_queue_each_epoch and not self._has_queue:
            self._warn(f"{type(main_loss).__name__} has no queue, so reset_queue_each_epoch does nothing.")
        self._epoch = 0
        self._global_step = 0
        self._switch_step: int | None = None
        self._batch_hook_seen = False
        self._epoch_hook_seen = False
        self._said: set[str] = set()
        if not self.in_warmup:
            self._switch_step = 0
            self._apply_temperature(self.temp_start)

    # -- phases ---------------------------------------------------------------

    @property
    def _progress(self) -> tuple[int, int, int]:
        """Where training is, and how long warm-up and blend last, in epochs or in steps."""
        if self._step_mode:
            return self._global_step, self.warmup_steps, self.blend_steps
        return self._epoch, self.warmup_epochs, self.blend_epochs

    @property
    def in_warmup(self) -> bool:
        """Whether only the warm-up loss is in use."""
        now, warmup, _ = self._progress
        return now < warmup

    @property
    def in_blend(self) -> bool:
        """Whether the main loss's weight is rising."""
        now, warmup, blend = self._progress
        return warmup <= now < warmup + blend

    @property
    def main_weight(self) -> float:
        """Weight of the main loss now, in [0, 1]."""
        now, warmup, blend = self._progress
        if now < warmup:
            return 0.0
        return min(1.0, (now - warmup + 1) / (blend + 1)) * self.final_main_weight

    @property
    def current_temperature(self) -> float | None:
        """The main loss's temperature, None where it has none."""
        return float(self.main_loss.temperature) if self._has_temperature else None  # type: ignore[arg-type]

    # -- hooks ---------------------------------------------------------------

    def on_train_epoch_start(self, epoch: int) -> None:
        """Tell which epoch begins.

        Parameters
        ----------
        epoch
            Counted from 0.
        """
        self._epoch = epoch
        self._epoch_hook_seen = True
        if self.in_warmup:
            return
        if not self._step_mode and self._switch_step is None:
            self._switch_step = _PENDING
        if self.reset_queue_each_epoch:
            self._reset_queue()

    def on_train_batch_start(self, global_step: int) -> None:
        """Tell which step begins, and set the temperature for it.

        Parameters
        ----------
        global_step
            Steps since training began, counted from 0.
        """
        first = not self._batch_hook_seen
        self._batch_hook_seen = True
        if self._step_mode:
            self._global_step = global_step
            if not self.in_warmup and self._switch_step is None:
                self._switch_step = _PENDING
        if self.in_warmup or self._switch_step is None:
            return
        if self._switch_step == _PENDING:
            self._switch_step = global_step
            self._apply_temperature(self.temp_start)
            self._reset_queue()
            return
        if first and self._switch_step == 0:  # no warm-up: the clock starts with the first step seen
            self._switch_step = global_step
        share = min(1.0, (global_step - self._switch_step) / self.temp_decay_steps)
        self._apply_temperature(self.temp_start * math.exp(share * math.log(self.temp_end / self.temp_start)))

    def _apply_temperature(self, temperature: float) -> None:
        if self._has_temperature:
            self.main_loss.temperature = temperature  # type: ignore[assignment]

    def _reset_queue(self) -> None:
        if self._has_queue:
            self.main_loss.reset_queue()  # type: ignore[operator]

    # -- state ---------------------------------------------------------------

    def get_extra_state(self) -> dict[str, Any]:
        """Return where the schedule stands."""
        return {
            "epoch": self._epoch,
            "global_step": self._global_step,
            "switch_step": self._switch_step,
            "batch_hook_seen": self._batch_hook_seen,
            "temperature": self.current_temperature,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up a saved schedule; what is missing stays as it is."""
        self._epoch = state.get("epoch", self._epoch)
        self._global_step = state.get("global_step", self._global_step)
        self._switch_step = state.get("switch_step", self._switch_step)
        self._batch_hook_seen = state.get("batch_hook_seen", self._batch_hook_seen)
        self._epoch_hook_seen = self._epoch_hook_seen or self._epoch > 0
        if state.get("temperature") is not None:
            self._apply_temperature(state["temperature"])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.setdefault(prefix + "_extra_state", self.get_extra_state())
        super()._load_from_state_dict(state_dict, prefix, *rest)

    # -- loss ---------------------------------------------------------------

    def forward(self, logits: Tensor, targets: Tensor, **kwargs: Any) -> Any:
        """Return the loss of the current phase.

        Parameters
        ----------
        logits, targets
            As both losses take them.
        **kwargs
            For the main loss. `sample_weight` also reaches a warm-up loss that takes it.

        Returns
        -------
        Tensor or tuple
            In the warm-up, what the warm-up loss returns. In the blend, ``(1 - w) * warmup + w * main``;
            where the main loss returns a tuple, its first element is blended and the others follow unchanged.
            Afterwards what the main loss returns, unless its final weight is below 1.
        """
        self._check_hooks()
        logits, targets, kwargs = self._gathered(logits, targets, kwargs)
        weight = self.main_weight
        if weight >= 1:
            return self.main_loss(logits, targets, **kwargs)
        passed = {}
        if self._warmup_takes_weight and "sample_weight" in kwargs:
            passed["sample_weight"] = kwargs["sample_weight"]
        warm = self.warmup_loss(logits, targets, **passed)
        if self.in_warmup:
            return warm
        warm = warm[0] if isinstance(warm, tuple) else warm
        main = self.main_loss(logits, targets, **kwargs)
        if isinstance(main, tuple):
            return ((1 - weight) * warm + weight * main[0], *main[1:])
        return (1 - weight) * warm + weight * main

    def _gathered(
        self, logits: Tensor, targets: Tensor, kwargs: dict[str, Any]
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Gather for both losses at once; the main loss sees that it has been done."""
        main = self.main_loss
        if not (isinstance(main, RankingLoss) and should_gather(main.gather_distributed, logits)):
            return logits, targets, kwargs
        batch = gather_batch(Batch(logits, targets, kwargs.get("iid_mask"), kwargs.get("sample_weight")))
        given = {"iid_mask": batch.iid, "sample_weight": batch.weight}
        return batch.logits, batch.targets, kwargs | {k: v for k, v in given.items() if v is not None}

    def _check_hooks(self) -> None:
        name = type(self).__name__
        if not self._step_mode and self.in_warmup and self._batch_hook_seen and not self._epoch_hook_seen:
            self._say_once(
                f"{name}: on_train_epoch_start was never called,"
                f" so the warm-up of {self.warmup_epochs} epochs never ends."
                " Call it at the start of each epoch, or give the warm-up in steps."
            )
        if self._has_temperature and not self._batch_hook_seen and not self.in_warmup:
            self._say_once(
                f"{name}: on_train_batch_start was never called,"
                f" so the temperature stays at {self.current_temperature:g}."
                " Call it at the start of each step."
            )
        if self._step_mode and self.in_warmup and self._epoch_hook_seen and not self._batch_hook_seen:
            self._say_once(
                f"{name}: on_train_batch_start was never called,"
                f" so the warm-up of {self.warmup_steps} steps never ends."
                " Call it at the start of each step."
            )

    def _say_once(self, problem: str) -> None:
        if problem not in self._said:
            self._said.add(problem)
            self._warn(problem)

    @staticmethod
    def _warn(problem: str) -> None:
        warnings.warn(problem, UserWarning, stacklevel=3)


def _check_units(
    warmup_epochs: int, warmup_steps: int | None, blend_epochs: int, blend_steps: int | None
) -> None:
    """Refuse a schedule in which epochs and steps are mixed."""
    if warmup_steps is not None and warmup_epochs:
        msg = "warmup_epochs, warmup_steps: expected one of them, but got both"
        raise ValueError(msg)
    if blend_steps is not None and blend_epochs:
        msg = "blend_epochs, blend_steps: expected one of them, but got both"
        raise ValueError(msg)
    if blend_steps is not None and warmup_steps is None:
        msg = "blend_steps: expected warmup_steps with it, but got none; use blend_epochs with warmup_epochs"
        raise ValueError(msg)
