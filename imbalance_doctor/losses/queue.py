"""A ring of past rows: their scores enlarge the pool a ranking loss ranks against."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["MemoryQueue", "Rows"]


class Rows(NamedTuple):
    """Aligned rows.

    Attributes
    ----------
    logits
        Scores, [M, C].
    targets
        Class ids, int64 [M].
    iid
        Rows that may estimate thresholds, bool [M], or None for all.
    weight
        Weight of each row, [M], or None for 1.
    """

    logits: Tensor
    targets: Tensor
    iid: Tensor | None
    weight: Tensor | None

    def take(self, index: Tensor) -> Rows:
        """Pick rows by mask or index."""
        return Rows(
            self.logits[index],
            self.targets[index],
            None if self.iid is None else self.iid[index],
            None if self.weight is None else self.weight[index],
        )


class MemoryQueue(nn.Module):
    """First-in first-out memory of scored rows, kept as buffers of the reference library's names.

    Parameters
    ----------
    queue_size
        Rows kept; 0 for none.
    num_classes
        Scores per row.
    ignore_index
        Target that marks an empty slot.

    Attributes
    ----------
    has_weights
        Whether a stored row's weight differs from 1.
    has_mined
        Whether a stored row is not iid.
    """

    _q_logits: Tensor
    _q_targets: Tensor
    _q_ptr: Tensor
    _q_iid: Tensor
    _q_weight: Tensor

    def __init__(self, queue_size: int, num_classes: int, ignore_index: int = -100) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.has_weights = False
        self.has_mined = False
        if queue_size:
            self.register_buffer("_q_logits", torch.zeros(queue_size, num_classes))
            self.register_buffer("_q_targets", torch.full((queue_size,), ignore_index, dtype=torch.int64))
            self.register_buffer("_q_ptr", torch.zeros(1, dtype=torch.int64))
            self.register_buffer("_q_iid", torch.ones(queue_size, dtype=torch.bool))
            self.register_buffer("_q_weight", torch.ones(queue_size))

    @torch.no_grad()
    def reset(self) -> None:
        """Forget every row."""
        if self.queue_size:
            self._q_logits.zero_()
            self._q_targets.fill_(self.ignore_index)
            self._q_ptr.zero_()
            self._q_iid.fill_(True)
            self._q_weight.fill_(1.0)
        self.has_weights = self.has_mined = False

    @torch.no_grad()
    def enqueue(self, rows: Rows) -> int:
        """Store rows, the oldest stored ones giving way.

        Rows whose target is `ignore_index` are not stored, nor are rows with a score that is NaN or infinite:
        one of them would spoil every step until it left the queue.

        Parameters
        ----------
        rows
            Rows of one step, in order. Gradients are cut.

        Returns
        -------
        int
            How many rows were refused because a score was not finite.
        """
        if not self.queue_size or not rows.logits.shape[0]:
            return 0
        rows = rows._replace(logits=rows.logits.detach())
        known = rows.targets != self.ignore_index
        keep = known & rows.logits.isfinite().all(1)
        count, refused = torch.stack([keep.sum(), (known & ~keep).sum()]).tolist()
        if count < rows.logits.shape[0]:
            rows = rows.take(keep)
        size = self.queue_size
        start = 0
        if count >= size:
            rows = rows.take(torch.arange(count - size, count, device=rows.logits.device))
            count = size
        elif count:
            start = int(self._q_ptr)
        first = min(count, size - start)
        for low, high, slot in ((0, first, start), (first, count, 0)):
            if low < high:
                self._write(slice(slot, slot + high - low), rows, slice(low, high))
        if count:
            self._q_ptr.fill_((start + count) % size)
        if rows.weight is not None or self.has_weights:
            self.has_weights = bool((self._q_weight != 1).any())
        if rows.iid is not None or self.has_mined:
            self.has_mined = not bool(self._q_iid.all())
        return int(refused)

    def _write(self, slots: slice, rows: Rows, part: slice) -> None:
        self._q_logits[slots] = rows.logits[part].to(self._q_logits)
        self._q_targets[slots] = rows.targets[part].to(self._q_targets)
        self._q_iid[slots] = True if rows.iid is None else rows.iid[part].to(self._q_iid)
        self._q_weight[slots] = 1.0 if rows.weight is None else rows.weight[part].to(self._q_weight)

    def merge(self, live: Rows) -> Rows:
        """Return the live rows followed by every slot, filled or not, in slot order.

        Parameters
        ----------
        live
            Rows of this step.

        Returns
        -------
        Rows
            In the live rows' type and place; weights exist when live or stored rows have any.
        """
        if not self.queue_size:
            return live
        like = live.logits
        iid, weight = live.iid, live.weight
        if iid is None and self.has_mined:
            iid = torch.ones_like(live.targets, dtype=torch.bool)
        if weight is None and self.has_weights:
            weight = like.new_ones(like.shape[0])
        return Rows(
            torch.cat([like, self._q_logits.to(like)]),
            torch.cat([live.targets, self._q_targets.to(live.targets)]),
            None if iid is None else torch.cat([iid, self._q_iid.to(iid)]),
            None if weight is None else torch.cat([weight, self._q_weight.to(weight)]),
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if self.queue_size:  # states written before rows had these two
            state_dict.setdefault(prefix + "_q_iid", torch.ones(self.queue_size, dtype=torch.bool))
            state_dict.setdefault(prefix + "_q_weight", torch.ones(self.queue_size))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if self.queue_size:
            self.has_weights = bool((self._q_weight != 1).any())
            self.has_mined = not bool(self._q_iid.all())

    def extra_repr(self) -> str:
        """Name the size."""
        return f"queue_size={self.queue_size}"
