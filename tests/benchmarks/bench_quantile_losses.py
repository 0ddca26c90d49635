"""Time the threshold losses against ``imbalanced_losses``, forward and backward, and print a markdown table.

Run ``python tests/benchmarks/bench_quantile_losses.py [--repeats 9]``. Both libraries take turns on the
same batch in one process with two threads; the table holds medians, the median of the paired ratios, and the
memory kept for the backward pass.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import imbalanced_losses as reference
import torch

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


def show(line):
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(2)
    warnings.simplefilter("ignore")
    show("| loss | pool | classes | reference | ours | ratio | kept: reference | ours |")
    show("|---|---|---|---|---|---|---|---|")
    for name, kind, rows, classes, prevalence, both, mine in CASES:
        scores, labels = batch(rows, classes, prevalence)
        theirs = getattr(reference, kind)(classes, queue_size=0, **both)
        own = getattr(ours, kind)(classes, queue_size=0, **both, **mine)
        step(theirs, scores, labels), step(own, scores, labels)
        pairs = [(step(theirs, scores, labels), step(own, scores, labels)) for _ in range(repeats)]
        there, here = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        cells = [name, f"{rows:,}", str(classes), f"{there:.2f} ms", f"{here:.2f} ms", f"{ratio:.1f}x"]
        cells += [f"{kept(loss, scores, labels) / 2**20:.2f} MiB" for loss in (theirs, own)]
        show("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
