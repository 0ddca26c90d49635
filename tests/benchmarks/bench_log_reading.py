# ruff: noqa: E501 - log lines stand as logs write them
"""Speed and memory of reading long text logs in five dialects.

Run: ``python tests/benchmarks/bench_log_reading.py [--megabytes 200] [--only tqdm]``. Each log is generated
into a temporary file, then read by a process of its own. The first column is the speed by
the time of one core, the second the peak
memory of that process, less what it held before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from imbalance_doctor.sources.logs.base import LogFile, Options
from imbalance_doctor.sources.logs.text import Text

PER_EPOCH = 1_000


def key_value(step: int, loss: float) -> str:
    """One line per step, a validation line per epoch."""
    epoch = step // PER_EPOCH
    line = f"2024-05-01 12:00:{step % 60:02d} INFO epoch {epoch} step {step} loss={loss:.5f} lr={1e-4 + loss / 1e5:.3e} grad_norm={loss * 3:.4f}\n"
    if step % PER_EPOCH == PER_EPOCH - 1:
        line += f"2024-05-01 12:00:{step % 60:02d} INFO epoch {epoch} val_loss={loss:.5f} val_auc={1 - loss / 9:.4f}\n"
    return line


def tqdm(step: int, loss: float) -> str:
    """A progress bar redrawn for each step."""
    at = step % PER_EPOCH
    share = (at + 1) / PER_EPOCH
    bar = "█" * int(share * 10) + " " * (10 - int(share * 10))
    end = "\n" if at == PER_EPOCH - 1 else ""
    head = f"\rEpoch {step // PER_EPOCH}: {share:4.0%}|{bar}| {at + 1}/{PER_EPOCH}"
    return f"{head} [00:{at % 60:02d}<00:31, 12.{at % 9}it/s, loss={loss:.4f}, acc={1 - loss / 9:.3f}]{end}"


def mmcv(step: int, loss: float) -> str:
    """Lines of mmcv's text logger."""
    epoch, at = divmod(step, PER_EPOCH)
    line = f"2024-05-01 12:00:{step % 60:02d},{step % 1000:03d} - mmdet - INFO - Epoch [{epoch + 1}][{at + 1}/{PER_EPOCH}]\t"
    line += f"lr: {loss / 1e3:.3e}, eta: {3 + step % 3} days, 15:22:{step % 60:02d}, time: 0.9{step % 10}, data_time: 0.01, "
    return (
        line
        + f"memory: {4000 + step % 9}, loss_cls: {loss / 2:.4f}, loss_bbox: {loss / 2:.4f}, loss: {loss:.4f}\n"
    )


def hugging_face(step: int, loss: float) -> str:
    """Dictionaries as the Hugging Face trainer prints them."""
    epoch = step / PER_EPOCH
    line = f"{{'loss': {loss:.4f}, 'grad_norm': {loss * 2.7!r}, 'learning_rate': {loss / 3e4!r}, 'epoch': {epoch:.2f}}}\n"
    if step % PER_EPOCH == PER_EPOCH - 1:
        line += f"{{'eval_loss': {loss!r}, 'eval_f1': {1 - loss / 9!r}, 'eval_runtime': 24.07, 'epoch': {epoch:.1f}}}\n"
    return line


def parts(step: int, loss: float) -> str:
    """One line per class: digits within names."""
    return f"epoch {step // 10} class {step % 10}: recall {1 - loss / 9:.4f} precision {loss / 9:.4f} f1-score {loss / 9:.4f}\n"


DIALECTS: dict[str, Callable[[int, float], str]] = {
    "key-value lines": key_value,
    "tqdm redraws": tqdm,
    "mmcv text": mmcv,
    "HF dictionaries": hugging_face,
    "a line per class": parts,
}


def pieces(dialect: Callable[[int, float], str], size: int) -> Iterator[bytes]:
    """Yield a log of about `size` bytes."""
    rng = random.Random(0)  # noqa: S311
    step, written = 0, 0
    while written < size:
        lines = [dialect(step + i, 5 / (1 + (step + i) ** 0.3) + rng.random()) for i in range(5_000)]
        step += len(lines)
        data = "".join(lines).encode()
        written += len(data)
        yield data


def memory(field: str) -> float:
    """Return a field of Linux' account of this process in MiB; a child's `ru_maxrss` would be its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def read(path: str) -> tuple[float, float, int]:
    """Return seconds, peak memory in MiB above the start, and the number of records."""
    file = LogFile(path=Path(path), name=path, text="1")
    before = memory("VmRSS")
    begun = time.process_time()
    parsed = Text.read(file, Options())
    count = 0
    for _ in parsed.records:
        count += 1
    seconds = time.process_time() - begun
    return seconds, memory("VmHWM") - before, count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    size = arguments.megabytes * 1_000_000
    print(f"Python {sys.version.split()[0]}, {arguments.megabytes} MB per dialect")
    print("| dialect | MB/s | memory MiB | records read |\n|---|---:|---:|---:|")
    for name, dialect in DIALECTS.items():
        if arguments.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.log"
            with path.open("wb") as stream:
                deque((stream.write(piece) for piece in pieces(dialect, size)), maxlen=0)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, peak, count = pool.apply(read, (str(path),))
            print(
                f"| {name} | {path.stat().st_size / 1e6 / seconds:.0f} | {peak:.0f} | {count:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
