"""Time the threshold losses against ``imbalanced_losses``, forward and backward, and print a markdown table.

Run ``python tests/benchmarks/bench_quantile_losses.py [--repeat 11]``. Both libraries take turns on the same
batch in one process with two threads. The table holds medians and least times, the median of the paired
ratios and the ratio of the least times, and the memory: the peak of one step, of torch's and numpy's
allocations together, and what is kept for the backward pass.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import imbalanced_losses as reference
import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[2]))

from imbalance_doctor import losses as ours

RECALL, PAUC = "RecallAtQuantileLoss", "PAUCAtBudgetLoss"
CASES = [
    ("Recall-at-Quantile", RECALL, 1_024, 1, 0.05, {}, {}),
    ("Recall-at-Quantile", RECALL, 16_384, 1, 0.05, {}, {}),
    ("Recall-at-Quantile", RECALL, 65_536, 1, 0.05, {}, {}),
    ("Recall-at-Quantile", RECALL, 16_384, 80, 0.0, {}, {}),
    ("Recall-at-Quantile, anchor off", RECALL, 16_384, 1, 0.05, {}, {"anchor": False}),
    ("Recall-at-Quantile, anchor off", RECALL, 16_384, 80, 0.0, {}, {"anchor": False}),
    ("pAUC trapezoid", PAUC, 1_024, 1, 0.05, {}, {}),
    ("pAUC trapezoid", PAUC, 65_536, 1, 0.05, {}, {}),
    ("pAUC trapezoid", PAUC, 16_384, 80, 0.0, {}, {}),
    ("pAUC trapezoid, anchor off", PAUC, 65_536, 1, 0.05, {}, {"anchor": False}),
    ("pAUC pairwise", PAUC, 65_536, 1, 0.1, {"surrogate": "pairwise"}, {}),
    ("pAUC pairwise, beta 0.05", PAUC, 65_536, 1, 0.1, {"surrogate": "pairwise", "beta": 0.05}, {}),
    ("pAUC pairwise", PAUC, 16_384, 80, 0.0, {"surrogate": "pairwise"}, {}),
]


def batch(rows, classes, prevalence):
    """Scores of a decent model, and labels."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(rows, classes, generator=generator)
    if classes > 1:
        return scores, torch.randint(0, classes, (rows,), generator=generator)
    labels = (torch.rand(rows, generator=generator) < prevalence).long()
    return scores + labels[:, None], labels


def step(loss, scores, labels):
    """One forward and backward pass; returns seconds."""
    scores = scores.clone().requires_grad_()
    start = time.perf_counter()
    loss(scores, labels).backward()
    return time.perf_counter() - start


def kept(loss, scores, labels):
    """Bytes kept for the backward pass."""
    saved = {}

    def pack(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    scores = scores.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(scores, labels)
    saved.pop(scores.untyped_storage().data_ptr(), None)
    return sum(saved.values())


def peak(loss, scores, labels):
    """Highest sum of live allocations during one step, in bytes: torch's and numpy's."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as recorded:
        step(loss, scores, labels)
    now = most = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    tracemalloc.start()
    step(loss, scores, labels)
    most += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def show(line):
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=11)
    repeat = parser.parse_args().repeat
    torch.set_num_threads(2)
    warnings.simplefilter("ignore")
    show(
        "| loss | pool | classes | reference: median (least) | ours | ratio | peak / kept: reference | ours |"
    )
    show("|---|---|---|---|---|---|---|---|")
    for name, kind, rows, classes, prevalence, both, mine in CASES:
        scores, labels = batch(rows, classes, prevalence)
        theirs = getattr(reference, kind)(classes, queue_size=0, **both)
        own = getattr(ours, kind)(classes, queue_size=0, **both, **mine)
        step(theirs, scores, labels), step(own, scores, labels)
        pairs = [(step(theirs, scores, labels), step(own, scores, labels)) for _ in range(repeat)]
        there, here = zip(*pairs, strict=True)
        cells = [name, f"{rows:,}", str(classes)]
        cells += [f"{1e3 * statistics.median(side):.2f} ({1e3 * min(side):.2f}) ms" for side in (there, here)]
        ratio = statistics.median(a / b for a, b in pairs)
        cells.append(f"{ratio:.1f}x ({min(there) / min(here):.1f}x)")
        for loss in (theirs, own):
            memory = (measure(loss, scores, labels) / 2**20 for measure in (peak, kept))
            cells.append(" / ".join(f"{size:.2f}" for size in memory) + " MiB")
        show("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
