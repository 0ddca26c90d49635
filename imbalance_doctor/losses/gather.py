"""Gathering a batch over the processes of data-parallel training, with the gradient of the whole batch.

A ranking loss is a function of the whole batch. Each process evaluates it on the gathered rows and keeps the
gradient of its own rows. Data-parallel training then averages the gradients of the W processes, which would
leave 1/W of the gradient of the whole batch; the backward pass of the gathering therefore multiplies by W,
and the averaged gradient equals the one a single process would have computed.

Whether to gather is asked anew on every call, so a loss built or used before ``init_process_group`` is none
the worse. Rows that were gathered before are recognised and never gathered twice.
"""

from __future__ import annotations

import warnings
from itertools import count
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "Batch",
    "all_gather_no_grad",
    "all_gather_with_grad",
    "gather_batch",
    "shared_seed",
    "should_gather",
]

_MARK = "_imbalance_doctor_gathered"
_SEED_BITS = 48
_calls = count()


class Batch(NamedTuple):
    """Rows of one step.

    Attributes
    ----------
    logits
        Scores, [N, C].
    targets
        Class ids, [N].
    iid
        Rows that may estimate thresholds, bool [N], or None for all.
    weight
        Weight of each row, [N], or None for 1.
    """

    logits: Tensor
    targets: Tensor
    iid: Tensor | None = None
    weight: Tensor | None = None


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def should_gather(gather_distributed: bool | None, rows: Tensor | None = None) -> bool:
    """Tell whether a loss has to gather now.

    Parameters
    ----------
    gather_distributed
        False: never. None or True: whenever more than one process takes part.
    rows
        The logits at hand; rows that :func:`all_gather_with_grad` returned need no second gathering.

    Returns
    -------
    bool
        Valid for this call only.
    """
    if gather_distributed is False or (rows is not None and hasattr(rows, _MARK)):
        return False
    return _processes() > 1


def shared_seed(rows: Tensor) -> int | None:
    """Return the seed that came with gathered rows, alike on every process; None for rows of one process."""
    seed: int | None = getattr(rows, _MARK, None)
    return seed


def _next_seed() -> int:
    """Follow the user's seed without drawing from the user's generator."""
    return (torch.initial_seed() + next(_calls)) % (1 << _SEED_BITS)


class _OwnSlice(torch.autograd.Function):
    """Rows of all processes; the gradient of the own rows, times the number of processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, everyone: Tensor, start: int, factor: float) -> Tensor:
        ctx.rows = slice(start, start + own.shape[0])
        ctx.factor = factor
        return everyone.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        return grads[0][ctx.rows] * ctx.factor, None, None, None


def _with_own_gradient(own: Tensor, parts: list[Tensor], seed: int) -> Tensor:
    everyone = torch.cat(parts)
    if own.requires_grad and torch.is_grad_enabled():
        start = sum(part.shape[0] for part in parts[: dist.get_rank()])
        everyone = _OwnSlice.apply(own, everyone, start, float(len(parts)))  # type: ignore[no-untyped-call]
    setattr(everyone, _MARK, seed)
    return everyone


def _gather_rows(tensor: Tensor, sizes: list[int]) -> list[Tensor]:
    """All-gather tensors whose first dimension differs between processes."""
    if tensor.dtype == torch.bool:  # not every backend moves booleans
        return [part.bool() for part in _gather_rows(tensor.to(torch.uint8), sizes)]
    tensor = tensor.detach()
    longest = max(sizes)
    if tensor.shape[0] < longest:
        padding = tensor.new_zeros(longest - tensor.shape[0], *tensor.shape[1:])
        tensor = torch.cat([tensor, padding])
    parts = [torch.empty_like(tensor) for _ in sizes]
    if longest:
        dist.all_gather(parts, tensor.contiguous())
    return [part[:size] for part, size in zip(parts, sizes, strict=True)]


def _gather_sizes(tensor: Tensor) -> tuple[list[int], int]:
    """Return every process's number of rows, and the seed of the first process."""
    own = torch.tensor([tensor.shape[0], _next_seed()], dtype=torch.int64, device=tensor.device)
    everyone = [torch.empty_like(own) for _ in range(_processes())]
    dist.all_gather(everyone, own)
    table = torch.stack(everyone).tolist()
    return [row[0] for row in table], table[0][1]


def _need_processes(name: str) -> None:
    if not (dist.is_available() and dist.is_initialized()):
        msg = f"{name} needs torch.distributed: call torch.distributed.init_process_group first"
        raise RuntimeError(msg)


def all_gather_with_grad(tensor: Tensor) -> Tensor:
    """Gather rows of all processes; the own rows keep their gradient.

    Parameters
    ----------
    tensor
        Own rows, [N, ...]. N may differ between processes and may be 0.

    Returns
    -------
    Tensor
        [sum of N, ...] in rank order. The backward pass multiplies by the number of processes, so that a loss
        of all rows gets its full gradient once data-parallel training has averaged. The losses of this
        package recognise the result and do not gather again.

    Raises
    ------
    RuntimeError
        If ``torch.distributed`` is not initialised.
    """
    _need_processes("all_gather_with_grad")
    if _processes() == 1 or hasattr(tensor, _MARK):
        return tensor
    sizes, seed = _gather_sizes(tensor)
    return _with_own_gradient(tensor, _gather_rows(tensor, sizes), seed)


def all_gather_no_grad(tensor: Tensor) -> Tensor:
    """Gather rows of all processes without gradient, for targets, masks and weights.

    Parameters
    ----------
    tensor
        Own rows, [N, ...]. N may differ between processes and may be 0.

    Returns
    -------
    Tensor
        [sum of N, ...] in rank order.

    Raises
    ------
    RuntimeError
        If ``torch.distributed`` is not initialised.
    """
    _need_processes("all_gather_no_grad")
    if _processes() == 1:
        return tensor
    sizes, _ = _gather_sizes(tensor)
    return torch.cat(_gather_rows(tensor, sizes))


def _digests(batch: Batch) -> Tensor:
    """Sum up a batch so that different ones differ, float64 [3]; the last is 0 when all rows score alike."""
    logits = batch.logits.detach()
    if not logits.shape[0]:
        return torch.zeros(3, dtype=torch.float64, device=logits.device)
    place = torch.arange(1, logits.shape[0] + 1, device=logits.device, dtype=torch.float64)
    row = logits.double().sum(1)
    spread = (logits != logits[:1]).any().double()
    return torch.stack([(row * place).sum(), (batch.targets.double() * place).sum(), spread])


def gather_batch(batch: Batch) -> Batch:
    """Gather a step's rows over all processes.

    Processes may hold different numbers of rows, even none, and need not agree on giving `iid` or `weight`: a
    process that gives none counts as all iid and of weight 1.

    Parameters
    ----------
    batch
        Own rows.

    Returns
    -------
    Batch
        All rows in rank order, the same on every process. When every process brought the same rows, they are
        used once, with a warning: they were gathered before, or the processes read the same data.
    """
    logits, targets = batch.logits, batch.targets
    # One exchange carries all that must be known before the rows can travel.
    facts = torch.tensor(
        [logits.shape[0], batch.iid is not None, batch.weight is not None, _next_seed()],
        dtype=torch.float64,
        device=logits.device,
    )
    own = torch.cat([facts, _digests(batch)])
    everyone = [torch.empty_like(own) for _ in range(_processes())]
    dist.all_gather(everyone, own)
    table = torch.stack(everyone).tolist()
    sizes = [int(row[0]) for row in table]
    seed = int(table[0][3])
    if table[0][-1] and all(row[0] == table[0][0] and row[4:] == table[0][4:] for row in table):
        warnings.warn(
            f"all {len(table)} processes brought the same {sizes[0]} rows; they are used once. Either the"
            " logits were gathered before (then pass gather_distributed=False), or the processes read the"
            " same data (then give each its own share, as DistributedSampler does).",
            UserWarning,
            stacklevel=2,
        )
        logits = logits.view_as(logits)
        setattr(logits, _MARK, seed)
        return batch._replace(logits=logits)
    iid, weight = batch.iid, batch.weight
    if any(row[1] for row in table):
        iid = torch.ones_like(targets, dtype=torch.bool) if iid is None else iid
        iid = torch.cat(_gather_rows(iid, sizes))
    if any(row[2] for row in table):
        weight = logits.new_ones(logits.shape[0]) if weight is None else weight.to(logits.dtype)
        weight = torch.cat(_gather_rows(weight, sizes))
    return Batch(
        _with_own_gradient(logits, _gather_rows(logits, sizes), seed),
        torch.cat(_gather_rows(targets, sizes)),
        iid,
        weight,
    )
