"""Speed and memory of counting a large ``.npy``, against ``numpy.sum`` over the same memory map.

Run ``python tests/benchmarks/bench_label_counting.py [ROWS [DTYPE]]`` (default 100,000,000). For every dtype
and number of classes it writes one file, then takes the sum and the count in turn, five times each, and
prints the best of each, their ratio (1 is as fast as the sum; 0.5 is asked for), and the largest resident
memory of a process that does nothing but count.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from imbalance_doctor.sources.labels import read_labels  # noqa: E402

LAPS = 5
PERIOD = 1 << 20
CASES = [("int8", 2), ("int8", 10), ("int8", 100), ("bool", 2)] + [
    (dtype, classes) for dtype in ("int64", "float32") for classes in (2, 10, 100)
]


def write(path, rows, dtype, classes):
    """Write random labels, the rare class of two in 1 % of the rows, in pieces."""
    random = np.random.default_rng(classes)
    shares = np.array([0.99, 0.01]) if classes == 2 else np.full(classes, 1 / classes)
    piece = random.choice(classes, PERIOD, p=shares).astype(dtype)
    array = np.lib.format.open_memmap(path, "w+", dtype, (rows,))
    for start in range(0, rows, PERIOD):
        array[start : start + PERIOD] = piece[: rows - start]
    array.flush()


def seconds(work):
    """Return how long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def resident(path):
    """Return the largest resident memory in MB of a process that only counts."""
    command = [sys.executable, __file__, "--count", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024


def compare(path):
    """Return the best time of the sum and of the count, taken in turn."""
    array = np.load(path, mmap_mode="r")
    laps = [(seconds(array.sum), seconds(lambda: read_labels([str(path)]))) for _ in range(LAPS)]
    return [min(column) for column in zip(*laps, strict=True)]


def main(rows, only=""):
    """Measure and print every case, or those of one dtype."""
    print(f"{rows:,} rows, {len(os.sched_getaffinity(0))} processors")
    print("dtype     classes   sum s  count s   ratio  resident MB")
    for dtype, classes in CASES:
        if only and dtype != only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "y.npy"
            write(path, rows, dtype, classes)
            total, count = compare(path)
            speed = f"{total:7.3f} {count:8.3f} {total / count:7.2f}"
            print(f"{dtype:9} {classes:7} {speed} {resident(path):12.0f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--count"]:
        read_labels(sys.argv[2:])
        # Not ru_maxrss: that one is inherited from the parent process.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        print(status.partition("VmHWM:")[2].split()[0])
    else:
        main(int(float(sys.argv[1])) if sys.argv[1:] else 100_000_000, *sys.argv[2:])
