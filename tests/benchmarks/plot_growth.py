"""Draw how Smooth-AP's time grows with the pool, the positives and the classes.

Run ``python tests/benchmarks/plot_growth.py``; it needs matplotlib. Own loss and reference take turns on the
same pool in one process on two threads; drawn is the least time of each, forward and backward, and for
comparison growth in proportion. Writes ``growth.svg`` beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from bench_smooth_ap import make, seconds  # noqa: E402  after the path

MOST_PAIRS = 3e8  # the reference takes seconds beyond
PANELS = [
    (
        "pool of M rows, 10 % positive",
        "M",
        [(2**k, (2**k, 0.1, 1)) for k in range(9, 21)],
    ),
    (
        "16,384 rows, P positive",
        "P",
        [(round(16_384 * share), (16_384, share, 1)) for share in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5)],
    ),
    (
        "4,096 rows, C classes one-vs-rest",
        "C",
        [(c, (4_096, None, c)) for c in (2, 5, 10, 20, 40, 80, 160)],
    ),
]


def times(rows: int, prevalence: float | None, classes: int) -> tuple[float, float | None]:
    """Return the least seconds of one step, ours and the reference's (None where it would take too long)."""
    theirs, ours = make(rows, prevalence, classes)
    pairs = rows * rows * (prevalence or 1.0)
    repeats = 7 if pairs < MOST_PAIRS / 10 else 3
    ours(), ours()
    own, other = [], []
    for _ in range(repeats):
        own.append(seconds(ours))
        if pairs <= MOST_PAIRS:
            other.append(seconds(theirs))
    return min(own), min(other, default=None)


def main() -> None:
    """Measure and draw."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "imbalance-doctor"
    from matplotlib import pyplot as plt

    torch.set_num_threads(2)
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
    for axis, (title, letter, cases) in zip(axes, PANELS, strict=True):
        measured = [(x, *times(*case)) for x, case in cases]
        across = [x for x, _, _ in measured]
        axis.loglog(across, [1e3 * own for _, own, _ in measured], "o-", label="imbalance-doctor")
        known = [(x, 1e3 * other) for x, _, other in measured if other is not None]
        axis.loglog(*zip(*known, strict=True), "s--", label="imbalanced-losses")
        start = 1e3 * measured[-1][1] / across[-1]
        axis.loglog(across, [start * x for x in across], ":", color="grey", label="in proportion")
        axis.set(title=title, xlabel=letter)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("milliseconds, forward + backward")
    axes[0].legend()
    figure.savefig(Path(__file__).with_name("growth.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
