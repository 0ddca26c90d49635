"""What recording adds to a training step, and how many bytes a row takes.

Run ``python tests/benchmarks/bench_recorder.py [STEPS [DEVICE]]`` (default 3000 and cpu). A small MLP (64,
256, 256, 1; batches of 256; Adam; one thread) trains, and every step is recorded. Printed per step: processor
time of the step and of the recorder's call (median and, nearer to a machine that does nothing else, the
lowest decile), of the thread that writes (mean), and call and thread as a share of the step, for which under
2 % is asked. Wall-clock time of step and call (medians) follows: the thread works beside the training. The
clocks' own time is subtracted. On CUDA the host waits for each step before the call, so that the call shows.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import nn
from torch.nn import functional

from imbalance_doctor.record import ScoreRecorder

ROWS = 256


def training(device):
    """Return one training step, as a function; it returns logits and targets."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.randn(ROWS, 64, device=device)
    y = (torch.rand(ROWS, device=device) < 0.05).float()

    def step():
        optimizer.zero_grad()
        logits = model(x)[:, 0]
        functional.binary_cross_entropy_with_logits(logits, y).backward()
        optimizer.step()
        return logits, y

    return step


def measure(step, steps, folder, device, **options):
    """Return seconds: processor time of steps, calls and the writer, wall-clock of steps and calls."""
    cpu, walls = [], []
    whole, own = time.process_time(), time.thread_time()
    with ScoreRecorder(folder, **options) as recorder:
        for number in range(steps):
            times = [(time.thread_time(), time.perf_counter())]
            logits, y = step()
            if device != "cpu":
                torch.cuda.synchronize()
            times.append((time.thread_time(), time.perf_counter()))
            recorder(logits, y, step=number, epoch=0.0)
            times.append((time.thread_time(), time.perf_counter()))
            times.append((time.thread_time(), time.perf_counter()))
            (a, b), (c, d), (e, f), (g, h) = times
            cpu.append((c - a, (e - c) - (g - e)))
            walls.append((d - b, (f - d) - (h - f)))
    writer = (time.process_time() - whole) - (time.thread_time() - own)
    return *zip(*cpu, strict=True), writer / steps, *zip(*walls, strict=True)


def lowest_decile(values):
    """Return the value that a tenth of them is below."""
    return statistics.quantiles(values, n=10)[0]


def main(steps=3000, device="cpu"):
    """Measure and print."""
    torch.set_num_threads(1)
    step = training(device)
    print(f"torch {torch.__version__}, {device}, {steps} steps; times in µs")
    print(f"{'':18}  step decile   call decile writer    share |    wall: step   call    share")
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "x.scores"
        measure(step, int(steps) // 10, folder, device)
        cases = {"every step": {}, "every 10th": {"every": 10}, "reservoir of 1000": {"reservoir": 1000}}
        for title, options in cases.items():
            *series, last = measure(step, int(steps), folder, device, overwrite=True, **options)
            cpu_step, cpu_call, writer, wall_step = series
            figures = [1e6 * f(v) for v in (cpu_step, cpu_call) for f in (statistics.median, lowest_decile)]
            walls = [1e6 * statistics.median(values) for values in (wall_step, last)]
            share = (figures[2] + 1e6 * writer) / figures[0]
            print(
                f"{title:18}" + "".join(f" {figure:6.1f}" for figure in (*figures, 1e6 * writer)),
                f"{100 * share:7.2f}% |      {walls[0]:7.1f} {walls[1]:6.1f}",
                f"{100 * walls[1] / walls[0]:7.2f}%",
            )
            if not options:
                size = next(folder.iterdir()).stat().st_size / (int(steps) * ROWS)
    print(f"{size:.2f} bytes a row")


if __name__ == "__main__":
    main(*sys.argv[1:])
