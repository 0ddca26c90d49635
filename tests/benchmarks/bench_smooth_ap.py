"""Time and memory of Smooth-AP against imbalanced-losses, forward and backward, as a Markdown table.

Run: ``python tests/benchmarks/bench_smooth_ap.py [--repeat 7] [--only 4096]``. Reference and own loss take
turns in one process on two threads; the ratio is the median of the paired ratios. Memory is the peak of what
torch's allocator hands out during one step, and the bytes that autograd keeps between forward and backward.
"does not fit": the reference would need more than the limit of memory.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

import torch
from imbalanced_losses import SmoothAPLoss as Reference
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from imbalance_doctor.losses.smooth_ap import smooth_ap

CASES: list[tuple[int, float | None, int, bool]] = [
    # pool, prevalence (None: one-vs-rest labels), classes, reference fits in time and memory
    (1_024, 0.01, 1, True),
    (1_024, 0.1, 1, True),
    (1_024, None, 80, True),
    (4_096, 0.01, 1, True),
    (4_096, 0.1, 1, True),
    (4_096, None, 10, True),
    (16_384, 0.01, 1, True),
    (16_384, 0.1, 1, True),
    (16_384, None, 10, True),
    (16_384, None, 80, True),
    (65_536, 0.001, 1, True),
    (65_536, 0.01, 1, True),
    (65_536, 0.1, 1, True),
    (262_144, 0.001, 1, True),
    (262_144, 0.1, 1, False),
    (262_144, None, 80, False),
]
SLOW_PAIRS = 100_000_000

Step = Callable[[], None]


def make(rows: int, prevalence: float | None, classes: int) -> tuple[Step, Step]:
    """Return one training step of the reference and one of ours on the same pool."""
    generator = torch.Generator().manual_seed(rows + classes)
    if prevalence is None:
        target = torch.randint(classes, (rows,), generator=generator)
        positive = target[:, None] == torch.arange(classes)
    else:
        target = (torch.rand(rows, generator=generator) < prevalence).long()
        positive = target[:, None].bool()
    base = torch.randn(rows, classes, generator=generator) + positive
    theirs = base.clone().requires_grad_()
    ours = base.clone().requires_grad_()
    reference = Reference(num_classes=classes, queue_size=0, gather_distributed=False)

    def step_reference() -> None:
        theirs.grad = None
        reference(theirs, target).backward()

    def step_ours() -> None:
        ours.grad = None
        loss, _ = smooth_ap(ours, positive)
        loss.mean().backward()

    return step_reference, step_ours


def settle() -> None:
    """Give freed memory back to the system.

    The reference frees gigabytes in the large cases, which glibc else hands back in the middle of a later
    step: whoever comes next would pay for it.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def seconds(step: Step, *, settled: bool = False) -> float:
    """Time one step, on request from a heap without what others have freed."""
    if settled:
        settle()
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def peak_bytes(step: Step) -> int:
    """Return the highest sum of live allocations during one step: torch's and numpy's."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step()
    now = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    tracemalloc.start()
    step()
    peak += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def saved_bytes(step: Step) -> int:
    """Return the bytes autograd keeps for the backward pass, counting each storage once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(kept.values())


def human(count: float) -> str:
    """Write bytes with a unit."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


def row(case: tuple[int, float | None, int, bool], repeat: int, *, memory: bool) -> str:
    """Measure one case and return its line of the table."""
    rows, prevalence, classes, fits = case
    step_reference, step_ours = make(rows, prevalence, classes)
    pairs = rows * rows if prevalence is None else int(rows * rows * prevalence)
    slow = pairs > SLOW_PAIRS
    repeats = max(3, repeat // 2) if slow else repeat * (5 if pairs < SLOW_PAIRS / 100 else 1)
    for _ in range(2):
        step_ours()
    if fits:
        step_reference()
    ours, theirs, ratios = [], [], []
    for _ in range(repeats):
        if fits:
            theirs.append(seconds(step_reference, settled=slow))
        ours.append(seconds(step_ours, settled=slow))
        if fits:
            ratios.append(theirs[-1] / ours[-1])
    label = "one-vs-rest" if prevalence is None else f"{prevalence:.1%}"
    cells = [f"{rows:,}", label, str(classes)]
    cells.append(f"{statistics.median(theirs) * 1e3:.4g} ms" if fits else "does not fit")
    cells.append(f"{statistics.median(ours) * 1e3:.4g} ms")
    cells.append(f"{statistics.median(ratios):.4g}x" if fits else "-")
    if memory:
        own = peak_bytes(step_ours), saved_bytes(step_ours)
        cells.append(f"{human(own[0])} / {human(own[1])}")
        if fits:
            other = peak_bytes(step_reference), saved_bytes(step_reference)
            cells.append(f"{human(other[0])} / {human(other[1])}")
            cells.append(f"1/{other[0] / own[0]:.3g}")
        else:
            cells += ["does not fit", "-"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7, help="paired runs of a case (more for short cases)")
    parser.add_argument("--only", type=int, help="measure one pool size")
    parser.add_argument("--no-memory", action="store_true", help="skip the memory columns")
    options = parser.parse_args()
    torch.set_num_threads(2)
    head = ["pool", "prevalence", "classes", "reference", "ours", "faster"]
    if not options.no_memory:
        head += ["ours peak / saved", "reference peak / saved", "peak ratio"]
    say(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.processor()}\n")
    say("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for case in CASES:
        if options.only in {None, case[0]}:
            say(row(case, options.repeat, memory=not options.no_memory))


def say(line: str) -> None:
    """Print at once, since a row may take a minute."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
