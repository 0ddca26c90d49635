"""Simulated workers of a data-parallel run: threads of this process behind the names of torch.distributed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar
from unittest.mock import patch

import torch.distributed as dist
from torch import Tensor

__all__ = ["workers"]

_T = TypeVar("_T")


class _World:
    """Collectives over threads that call them in the same order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.own = threading.local()
        self._meet = threading.Barrier(size, timeout=30)
        self._slots: list[Tensor] = [Tensor()] * size

    def all_gather(self, parts: Sequence[Tensor], tensor: Tensor) -> None:
        self._slots[self.own.rank] = tensor.detach().clone()
        self._meet.wait()
        for part, slot in zip(parts, self._slots, strict=True):
            part.copy_(slot)
        self._meet.wait()

    def abort(self) -> None:
        self._meet.abort()


def workers(size: int, work: Callable[[int], _T]) -> list[_T]:
    """Return what each of `size` workers finds for its rank, with gathering between them."""
    world = _World(size)
    found: dict[int, _T] = {}
    failed: list[BaseException] = []

    def run(rank: int) -> None:
        world.own.rank = rank
        try:
            found[rank] = work(rank)
        except BaseException as error:  # noqa: BLE001  told to the caller, after the others were freed
            failed.append(error)
            world.abort()

    stands_for: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "get_world_size": lambda: size,
        "get_rank": lambda: world.own.rank,
        "all_gather": world.all_gather,
    }
    with ExitStack() as stack:
        for name, function in stands_for.items():
            stack.enter_context(patch.object(dist, name, function))
        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    return [found[rank] for rank in range(size)]
