"""What a replay costs beside its loss: 1e6 rows through Smooth-AP with a queue of 8,192, in one process.

Run: ``python tests/benchmarks/bench_replay.py [--rows 1000000] [--batch 256] [--prevalence 0.01]``. The same
steps go through the bare loss, forward and backward, and through the replay, in turns; the overhead is the
difference over the loss's time, the median of the turns.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import replace

import numpy as np
import torch

from imbalance_doctor.evidence import ScoreBlock, ScoreDump
from imbalance_doctor.losses import SmoothAPLoss
from imbalance_doctor.replay import ReplaySettings, replay

_QUEUE, _BLOCK = 8192, 262_144


def main() -> None:
    """Print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--prevalence", type=float, default=0.01)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    targets = (rng.random(given.rows) < given.prevalence).astype(np.int64)
    scores = (rng.normal(size=given.rows) + 1.5 * targets).astype(np.float32)[:, None]
    dump = ScoreDump(
        rows=given.rows,
        classes=1,
        kind="binary",
        scale="logits",
        blocks=lambda: (
            ScoreBlock(scores=scores[low : low + _BLOCK], targets=targets[low : low + _BLOCK])
            for low in range(0, given.rows, _BLOCK)
        ),
    )
    settings = ReplaySettings(loss="smooth-ap", batch_size=given.batch, queue_size=_QUEUE, temperature=0.05)
    bare, whole = [], []
    replay(dump, replace(settings, batch_size=100_000))  # imports
    for _ in range(given.turns):
        bare.append(_bare(scores, targets, given.batch))
        start = time.perf_counter()
        replay(dump, settings)
        whole.append(time.perf_counter() - start)
    overhead = statistics.median((b - a) / a for a, b in zip(bare, whole, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    steps = -(-given.rows // given.batch)
    print(f"rows {given.rows:,}, batch {given.batch}, queue {_QUEUE}, {steps:,} steps")
    print(f"loss {min(bare):.2f} s, replay {min(whole):.2f} s, overhead {overhead:.1%} (median of turns)")
    print(f"peak memory {peak:.0f} MiB")


def _bare(scores: np.ndarray, targets: np.ndarray, batch: int) -> float:
    """Time forward and backward of the loss alone over the same steps."""
    loss = SmoothAPLoss(1, queue_size=_QUEUE, temperature=0.05)
    x = [torch.from_numpy(scores[low : low + batch]).requires_grad_() for low in range(0, len(scores), batch)]
    y = [torch.from_numpy(targets[low : low + batch]) for low in range(0, len(scores), batch)]
    start = time.perf_counter()
    for a, b in zip(x, y, strict=True):
        torch.autograd.grad(loss(a, b), a)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
