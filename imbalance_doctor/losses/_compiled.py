"""Compiled forms of the losses on the CPU, used where numba is installed (the extra `fast`).

Nothing here is imported before a loss first runs on the CPU, and without numba the numpy and torch forms do
the same work. The first call of a loss compiles its kernels, which takes up to 10 seconds for each loss and
type of scores; they are kept beside the package or in ``NUMBA_CACHE_DIR``, and for this process only
where neither can be written.

Kernels release the interpreter's lock and start no threads of their own: :func:`in_turns` shares pieces of
work among plain threads, which neither a fork nor a second caller can disturb.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import torch

__all__ = ["in_turns", "kernels"]

_T = TypeVar("_T")


@cache
def kernels(name: str) -> Any:
    """Return a module of kernels by the last word of its name, such as ``pairs``; None without numba."""
    try:
        return importlib.import_module(f"imbalance_doctor.losses._compiled_{name}")
    except ImportError:
        return None


def in_turns(work: Callable[[_T], None], pieces: Sequence[_T]) -> None:
    """Do each piece of work once, on as many threads as torch may use.

    For pieces of a millisecond or so: a thread costs a tenth of that.
    """
    helpers = min(torch.get_num_threads(), len(pieces)) - 1
    if helpers < 1:
        for piece in pieces:
            work(piece)
        return
    left = iter(pieces)
    lock = threading.Lock()
    failed: list[BaseException] = []

    def run() -> None:
        while not failed:
            with lock:
                piece = next(left, None)
            if piece is None:
                return
            try:
                work(piece)
            except BaseException as error:  # noqa: BLE001  raised again below
                failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(helpers)]
    for thread in threads:
        thread.start()
    run()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
