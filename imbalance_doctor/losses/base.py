"""The common frame of the ranking losses.

One step: check the batch; gather it over the processes; pool it with the queue; drop ignored rows; cap the
pool; score every class against the rest; store the batch in the queue; reduce. A subclass says how a class is
scored, in :meth:`RankingLoss._score`.

What differs from ``imbalanced_losses``, whose constructors, forward signatures and states are kept:

- data-parallel training gets the gradient of the whole batch, not 1/W of it (see
  :mod:`imbalance_doctor.losses.gather`);
- a class that cannot be scored is reported with its reason, once, and never taken for a perfect one; with
  ``reduction='none'`` it is NaN;
- labels outside the classes and soft targets are refused: ranking knows members and others only;
- ignored rows may hold anything and take no room in the queue; nor do rows with NaN or infinite scores, which
  are counted in a warning;
- half-precision scores are ranked in float32, and the loss is float32;
- `temperature` is part of the state;
- a capped pool keeps its objective (see :mod:`imbalance_doctor.losses.pool`).

The batch enters the queue on every call in training mode, under ``torch.no_grad()`` too: a second pass over
the same batch, for a metric or a closure, ranks it against itself. Call ``.eval()`` for such a pass. With
``gather_distributed=False`` keep the loss outside the module that ``DistributedDataParallel`` wraps, whose
buffers it overwrites with the first process's, queue and all.
"""

from __future__ import annotations

import abc
import math
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from imbalance_doctor.losses.gather import Batch, gather_batch, shared_seed, should_gather
from imbalance_doctor.losses.pool import Cap, Sample, quota_sample, weighted_sample
from imbalance_doctor.losses.queue import MemoryQueue, Rows

__all__ = ["Numerator", "Pool", "RankingLoss", "Reduction", "TauScale", "one_of", "score_scale"]

Reduction = Literal["mean", "sum", "none"]
TauScale = Literal["none", "std", "iqr"]
Numerator = Literal["pool", "live"]

_SHOWN = 8


def one_of(name: str, value: object, known: object) -> None:
    """Raise ValueError unless `value` is one of the words of the Literal `known`."""
    words = get_args(known)
    if value not in words:
        msg = f"{name}: expected one of {', '.join(words)}, but got {value!r}"
        raise ValueError(msg)


def positive_number(name: str, value: float) -> float:
    """Return `value` as a float; ValueError unless it is finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        msg = f"{name}: expected a number above 0, but got {value!r}"
        raise ValueError(msg)
    return float(value)


def score_scale(scores: Tensor, tau_scale: TauScale) -> Tensor | None:
    """Return the spread of each class's scores, by which a relative temperature is multiplied.

    Parameters
    ----------
    scores
        [M, C], M at least 1.
    tau_scale
        ``'none'``: the temperature is in score units. ``'std'``: standard deviation. ``'iqr'``: interquartile
        range, and where that is 0 the standard deviation.

    Returns
    -------
    Tensor or None
        [C], above 0; 1 where all scores are equal. None for ``'none'``.
    """
    if tau_scale == "none":
        return None
    scores = scores.detach()
    scale = scores.std(0, correction=0)
    if tau_scale == "iqr":
        ordered = scores.sort(0).values
        last = scores.shape[0] - 1
        iqr = ordered[math.ceil(0.75 * last)] - ordered[math.ceil(0.25 * last)]
        scale = torch.where(iqr > 0, iqr, scale)
    return torch.where(scale > 0, scale, torch.ones_like(scale))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Rows that are ranked in one step: live ones first, stored ones after, none ignored.

    Attributes
    ----------
    scores
        float32 or float64 [M, C], with gradient in the live rows.
    targets
        Class ids, int64 [M].
    iid
        Rows that may estimate thresholds, bool [M], or None for all.
    live
        Rows ``[0, live)`` are of this step, on any process; the others come from the queue.
    weight
        Weight of a row as a positive, [M], or None for 1.
    pool_weight
        How many rows of the full pool a row of a capped pool stands for, [M], or None for 1.
    """

    scores: Tensor
    targets: Tensor
    iid: Tensor | None
    live: int
    weight: Tensor | None
    pool_weight: Tensor | None

    @property
    def classes(self) -> Tensor:
        """Class id of each column, [C]: 0, 1, ... or just 1 for a single column."""
        count = self.scores.shape[1]
        start = 1 if count == 1 else 0
        return torch.arange(start, start + count, device=self.targets.device)

    @property
    def positive(self) -> Tensor:
        """Which rows belong to which class, bool [M, C]."""
        if self.targets.device.type == "cpu":  # numpy does not wait for a second thread
            return torch.from_numpy(self.targets.numpy()[:, None] == self.classes.numpy())
        return self.targets[:, None] == self.classes

    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each positive, [E] each, for a pool on the CPU."""
        targets = self.targets.numpy()
        if self.scores.shape[1] == 1:
            row = (targets == 1).nonzero()[0]
            return row, np.zeros_like(row)
        # A queue filled by another library may hold labels that are no class.
        row = np.flatnonzero((targets >= 0) & (targets < self.scores.shape[1]))
        return row, targets[row]


class RankingLoss(nn.Module, abc.ABC):
    """Frame of a loss that ranks a batch against itself and against a queue of past rows.

    Parameters
    ----------
    num_classes
        Columns of the logits; 1 for a binary task, where targets are 0 and 1.
    queue_size
        Past rows kept; 0 for none.
    temperature
        Softness of the ranking; above 0. Part of the state.
    reduction
        Over classes that could be scored: ``'mean'``, ``'sum'``, or ``'none'`` for [C] with NaN elsewhere.
    ignore_index
        Rows with this target take no part.
    update_queue_in_eval
        Whether the queue also grows in eval mode.
    gather_distributed
        Rank the batch of all processes: None and True whenever there are several, False never. Assumes that
        gradients are averaged over processes, as ``DistributedDataParallel`` does.
    max_pool_size
        Most rows to rank; None for no cap. Memory grows with the pool, not with its square: when the pool
        fits, no cap is needed.
    cap
        Sampler of a capped pool. ``'weighted'`` keeps the objective, ``'quota'`` is the reference library's.
    tau_scale
        ``'none'``: `temperature` is in score units. ``'std'``, ``'iqr'``: in units of the spread of the
        pooled scores of the class.
    pos_numerator
        ``'pool'``: the mean runs over all pooled positives; those in the queue have no gradient, and dilute
        that of the live ones by live / pooled. ``'live'``: over live positives only, with ranks and
        thresholds from the pool; a batch without positives of a class leaves that class out.

    Raises
    ------
    ValueError
        For a parameter out of range.
    """

    def __init__(  # noqa: PLR0913  the reference library's signature
        self,
        num_classes: int,
        queue_size: int = 1024,
        temperature: float = 0.01,
        reduction: Reduction = "mean",
        ignore_index: int = -100,
        update_queue_in_eval: bool = False,
        gather_distributed: bool | None = None,
        max_pool_size: int | None = None,
        *,
        cap: Cap = "weighted",
        tau_scale: Any = "none",
        pos_numerator: Numerator = "pool",
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("num_classes", num_classes, 1),
            ("queue_size", queue_size, 0),
            ("max_pool_size", 1 if max_pool_size is None else max_pool_size, 1),
        ):
            if value < least:
                msg = f"{name}: expected at least {least}, but got {value}"
                raise ValueError(msg)
        one_of("reduction", reduction, Reduction)
        one_of("cap", cap, Cap)
        one_of("tau_scale", tau_scale, self._tau_scales)
        one_of("pos_numerator", pos_numerator, Numerator)
        self.num_classes = num_classes
        self.queue_size = queue_size
        self.temperature = positive_number("temperature", temperature)
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.update_queue_in_eval = update_queue_in_eval
        self.gather_distributed = gather_distributed
        self.max_pool_size = max_pool_size
        self.cap = cap
        self.tau_scale = tau_scale
        self.pos_numerator = pos_numerator
        self._queue = MemoryQueue(queue_size, num_classes, ignore_index)
        self._said: set[object] = set()

    _tau_scales: Any = TauScale

    # -- state ---------------------------------------------------------------

    def get_extra_state(self) -> dict[str, float]:
        """Return what the state holds beside the queue."""
        return {"temperature": float(self.temperature)}

    def set_extra_state(self, state: dict[str, float]) -> None:
        """Take over a saved temperature."""
        self.temperature = state.get("temperature", self.temperature)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("_q_logits", "_q_targets", "_q_ptr", "_q_iid", "_q_weight"):
            if prefix + name in state_dict:  # the reference library's first states had no queue module
                state_dict.setdefault(f"{prefix}_queue.{name}", state_dict.pop(prefix + name))
        # Nor do its states hold the temperature.
        state_dict.setdefault(prefix + "_extra_state", self.get_extra_state())
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def reset_queue(self) -> None:
        """Forget every stored row."""
        self._queue.reset()

    def _say_once(self, key: object, problem: str) -> None:
        if key not in self._said:
            self._said.add(key)
            warnings.warn(f"{type(self).__name__}: {problem} (Said once.)", UserWarning, stacklevel=2)

    # -- one step ---------------------------------------------------------------

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        iid_mask: Tensor | None = None,
        return_per_class: bool = False,
        *,
        sample_weight: Tensor | None = None,
    ) -> Any:
        """Return the loss of one step.

        Parameters
        ----------
        logits
            Raw scores, floating [N, C].
        targets
            Class ids, [N] or [N, 1].
        iid_mask
            Rows drawn as the deployment data are, bool [N]; None for all. Only the partial AUC uses it, for
            its thresholds.
        return_per_class
            Return the loss of each class too.
        sample_weight
            Weight of each row as a positive, [N], finite, at least 0. Ranks and thresholds count rows, not
            weights.

        Returns
        -------
        Tensor or tuple
            The loss: a scalar, or [C] for ``reduction='none'``. With `return_per_class` also the losses [C],
            NaN where a class could not be scored, and which classes could, bool [C].

        Raises
        ------
        ValueError
            For shapes that do not fit, soft targets, labels outside the classes, or weights that are negative
            or not finite.
        """
        live, seed = self._rows(logits, targets, iid_mask, sample_weight)
        if not return_per_class and self.num_classes == 1 and self._alone_will_do(live):
            loss = self._score_alone(live)
            if loss is not None:
                return loss.view(1) if self.reduction == "none" else loss
        out, per_class, valid = self._ranked(live, seed)
        return (out, per_class, valid) if return_per_class else out

    def _rows(
        self, logits: Tensor, targets: Tensor, iid_mask: Tensor | None, sample_weight: Tensor | None
    ) -> tuple[Rows, int | None]:
        """Return the rows of this step, of all processes, and the seed that they share."""
        seed = shared_seed(logits)
        batch = self._checked(logits, targets, iid_mask, sample_weight)
        if should_gather(self.gather_distributed, logits):
            batch = gather_batch(batch)
            seed = shared_seed(batch.logits)
        return Rows(*batch), seed

    def _alone_will_do(self, live: Rows) -> bool:
        """Tell whether the rows of this step are the pool of a class alone, if its labels are 0 and 1."""
        rows = live.targets.shape[0]
        return (
            0 < rows <= (self.max_pool_size or rows)
            and not self.queue_size
            and self.ignore_index not in {0, 1}
            and live.logits.device.type == "cpu"
        )

    def _score_alone(self, live: Rows) -> Tensor | None:  # noqa: ARG002  for subclasses
        """Return the loss of a class alone, [], after a look at its labels; None where more is to be said."""
        return None

    def _ranked(self, live: Rows, seed: int | None) -> tuple[Tensor, Tensor, Tensor]:
        device = live.logits.device.type
        with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
            return self._pooled(live, seed, full=self._check_labels(live.targets))

    def _pooled(self, live: Rows, seed: int | None, *, full: bool) -> tuple[Tensor, Tensor, Tensor]:
        pool = self._pool(live, seed, full=full)
        if pool.scores.shape[0]:
            loss, valid = self._score(pool)
        else:
            loss = live.logits[:0].sum() + pool.scores.new_zeros(self.num_classes)
            valid = torch.zeros(self.num_classes, dtype=torch.bool, device=loss.device)
            self._say_once("empty", "no row to rank: batch and queue are empty or wholly ignored.")
        missing = [column for column, known in enumerate(valid.tolist()) if not known]
        if missing and pool.scores.shape[0]:
            self._report(pool, missing)
        if self.queue_size and (self.training or self.update_queue_in_eval):
            self._store(live)
        out, per_class = self._reduce(loss, valid, len(missing))
        return out, per_class, valid

    def _checked(
        self, logits: Tensor, targets: Tensor, iid_mask: Tensor | None, sample_weight: Tensor | None
    ) -> Batch:
        if targets.ndim == 2 and targets.shape[1] == 1:  # noqa: PLR2004  a column
            targets = targets.squeeze(1)
        if logits.ndim != 2 or logits.shape[1] != self.num_classes:  # noqa: PLR2004  a matrix
            msg = f"logits: expected shape [N, {self.num_classes}], but got {list(logits.shape)}"
            raise ValueError(msg)
        for name, row in (("targets", targets), ("iid_mask", iid_mask), ("sample_weight", sample_weight)):
            if row is not None and row.shape != logits.shape[:1]:
                msg = f"{name}: expected shape [{logits.shape[0]}] as the logits, but got {list(row.shape)}"
                raise ValueError(msg)
        if targets.dtype != torch.int64 and targets.is_floating_point():
            soft = targets[targets != targets.round()]
            if soft.numel():
                msg = (
                    f"targets: expected class ids, but got {soft[0].item():g};"
                    " a soft target has no rank, so threshold it or weigh the row by sample_weight"
                )
                raise ValueError(msg)
        if sample_weight is not None:
            sample_weight = self._checked_weight(sample_weight.detach())
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        return Batch(
            logits,
            targets.long(),
            None if iid_mask is None else iid_mask.detach().bool(),
            None if sample_weight is None else sample_weight.to(logits.dtype),
        )

    def _checked_weight(self, weight: Tensor) -> Tensor:
        if weight.numel():
            least, most = torch.stack([weight.amin(), weight.amax()]).tolist()
            if not (least >= 0 and math.isfinite(most)):
                wrong = least if not least >= 0 else most
                msg = f"sample_weight: expected finite numbers of at least 0, but got {wrong:g}"
                raise ValueError(msg)
            if most == 0:
                self._say_once("weight", "every sample_weight is 0, so no row trains.")
        return weight

    def _check_labels(self, targets: Tensor) -> bool:
        """Refuse labels that are no class; tell whether every row has one."""
        top = max(self.num_classes, 2)
        if not targets.shape[0]:
            return True
        if targets.device.type == "cpu" and not torch.compiler.is_compiling():
            least, most = 0, int(targets.numpy().view(np.uint64).max())  # a negative one becomes the largest
        else:
            least, most = torch.stack(targets.aminmax()).tolist()
        if least >= 0 and most < top and not 0 <= self.ignore_index < top:
            return True
        wrong = targets[((targets < 0) | (targets >= top)) & (targets != self.ignore_index)]
        if wrong.numel():
            found = ", ".join(str(label) for label in sorted(set(wrong[:1000].tolist()))[:_SHOWN])
            known = f"class ids from 0 to {top - 1}, or {self.ignore_index} for ignored rows"
            msg = f"targets: expected {known}, but got {found}"
            if self.num_classes == 1:
                msg += "; with one column, 1 marks a positive and 0 a negative"
            raise ValueError(msg)
        return False

    def _pool(self, live: Rows, seed: int | None, *, full: bool) -> Pool:
        rows = self._queue.merge(live)
        fresh = live.targets.shape[0]
        if self.queue_size or not full:
            known = rows.targets != self.ignore_index
            if not bool(known.all()):
                rows, fresh = rows.take(known), int(known[:fresh].sum())
        size = rows.targets.shape[0]
        pool_weight = None
        if self.max_pool_size is not None and size > self.max_pool_size:
            sample = self._sample(rows, fresh, self.max_pool_size, seed)
            rows = rows.take(sample.rows)
            fresh = int((sample.rows < fresh).sum())
            pool_weight = None if sample.weight is None else sample.weight.to(rows.logits.dtype)
        return Pool(
            scores=rows.logits,
            targets=rows.targets,
            iid=rows.iid,
            live=fresh,
            weight=rows.weight,
            pool_weight=pool_weight,
        )

    def _sample(self, rows: Rows, fresh: int, size: int, seed: int | None) -> Sample:
        targets = rows.targets
        generator = None if seed is None else torch.Generator(targets.device).manual_seed(seed)
        facts = f"{targets.shape[0]} rows exceed max_pool_size={size}"
        if self.cap == "quota":
            self._say_once("cap", f"{facts}; a quota sample of another prevalence is ranked.")
            return quota_sample(targets, size, generator)
        self._say_once("cap", f"{facts}; a weighted sample is ranked.")
        return weighted_sample(targets, rows.logits.detach().amax(1), fresh, size, generator)

    def _store(self, live: Rows) -> None:
        refused = self._queue.enqueue(live)
        if refused:
            warnings.warn(
                f"{type(self).__name__}: {refused} of {live.targets.shape[0]} rows have a NaN or infinite"
                " score; the queue does not take them.",
                UserWarning,
                stacklevel=2,
            )

    def _reduce(self, loss: Tensor, valid: Tensor, missing: int) -> tuple[Tensor, Tensor]:
        """Return the reduced loss, and the loss of each class with NaN where it has none."""
        per_class = (
            loss.masked_fill(~valid, math.nan) if missing else loss.view(-1) if loss.ndim == 0 else loss
        )
        if self.reduction == "none":
            return per_class, per_class
        if self.num_classes == 1:
            if loss.ndim == 0 and not missing:  # a view would cost as much as the rest of the graph
                return loss, per_class
            return (loss.masked_fill(~valid, 0.0) if missing else loss).view(()), per_class
        total = (loss.masked_fill(~valid, 0.0) if missing else loss).sum()
        if self.reduction == "mean":
            total = total / max(1, self.num_classes - missing)
        return total, per_class

    # -- scoring ---------------------------------------------------------------

    @abc.abstractmethod
    def _score(self, pool: Pool) -> tuple[Tensor, Tensor]:
        """Return the loss of each class [C], any where it has none, and whether it has one, bool [C].

        The loss of a class alone may also be [].
        """

    def _scaled_temperature(self, scores: Tensor) -> float | Tensor:
        """Return the temperature in score units, one for all classes or one for each, [C]."""
        scale = score_scale(scores, self.tau_scale)
        return self.temperature if scale is None else self.temperature * scale

    def _numerator_weight(self, pool: Pool) -> Tensor | None:
        """Weight of each row as a positive: 0 for stored rows where only live ones count."""
        if self.pos_numerator == "pool":
            return pool.weight
        weight = torch.ones_like(pool.scores[:, 0]) if pool.weight is None else pool.weight.clone()
        weight[pool.live :] = 0
        return weight

    def _report(self, pool: Pool, missing: Sequence[int]) -> None:
        """Say which classes could not be scored and why, once for each class and reason."""
        news: dict[str, list[int]] = {}
        for column in missing:
            reason = self._reason(pool, column)
            if (column, reason) not in self._said:
                self._said.add((column, reason))
                news.setdefault(reason, []).append(column)
        for reason, columns in news.items():
            names = self._names(columns)
            warnings.warn(
                f"{type(self).__name__}: {names} left out of the loss: {reason}."
                " (Said once for each class and reason.)",
                UserWarning,
                stacklevel=2,
            )

    def _names(self, columns: Sequence[int]) -> str:
        if self.num_classes == 1:
            return "the positive class is"
        shown = ", ".join(str(c) for c in columns[:_SHOWN]) + (", ..." if len(columns) > _SHOWN else "")
        return f"class {shown} is" if len(columns) == 1 else f"{len(columns)} classes ({shown}) are"

    def _reason(self, pool: Pool, column: int) -> str:
        positive = pool.targets == pool.classes[column]
        if not bool(positive.any()):
            return "no positive in the pool"
        if self._needs_negatives and bool(positive.all()):
            return "no negative in the pool"
        if self.pos_numerator == "live" and not bool(positive[: pool.live].any()):
            return "no positive in the live batch"
        return self._other_reason(pool, column)

    _needs_negatives = True

    def _other_reason(self, pool: Pool, column: int) -> str:  # noqa: ARG002  for subclasses
        """Why a class with positives and negatives has no loss."""
        return "the weights of its positives are all 0"

    def extra_repr(self) -> str:
        """Name the main settings."""
        return f"num_classes={self.num_classes}, temperature={self.temperature}, reduction={self.reduction!r}"
