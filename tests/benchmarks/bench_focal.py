"""Time and memory of a step with the focal losses, beside cross-entropy, the reference and usual formulas.

Run ``python tests/benchmarks/bench_focal.py [ELEMENTS [THREADS [LAPS]]]`` (default 1,000,000, 2 and 15). All
contestants of a case take turns, forward and backward. Printed are the median and the least time, and the
least CPU time of all threads, each also divided by that of plain cross-entropy; on a busy machine the CPU
time with one thread says most. The last column is the largest memory held at once during a step, beyond the
logits and targets: torch's, by its profiler, and numpy's, by tracemalloc, added up.
"""

import statistics
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import imbalanced_losses as reference
import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from imbalance_doctor.losses.sigmoid_focal import SigmoidFocalLoss
from imbalance_doctor.losses.softmax_focal import SoftmaxFocalLoss


def torchvision_formula(inputs, targets, alpha=0.25, gamma=2):
    """Return sigmoid focal loss as ``torchvision.ops.sigmoid_focal_loss`` writes it."""
    p = torch.sigmoid(inputs)
    ce_loss = functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    loss = ce_loss * ((1 - p_t) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return loss.mean()


def softmax_formula(inputs, targets, gamma=2):
    """Return softmax focal loss as it is usually written."""
    ce = functional.cross_entropy(inputs, targets, reduction="none")
    p_t = inputs.softmax(1).gather(1, targets[:, None])[:, 0]
    return ((1 - p_t) ** gamma * ce).mean()


def step(loss, inputs, targets):
    """Take one forward and backward step; return wall-clock and CPU seconds."""
    inputs.grad = None
    wall, cpu = time.perf_counter(), time.process_time()
    loss(inputs, targets).backward()
    return time.perf_counter() - wall, time.process_time() - cpu


def added_memory(loss, inputs, targets):
    """Return by how many MB the memory in use at once exceeds that before the step, the gradient included."""
    inputs.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as record:
        loss(inputs, targets).backward()
    held = most = 0
    for event in record.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    inputs.grad = None
    tracemalloc.start()
    loss(inputs, targets).backward()
    most += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def cases(elements):
    """Yield title, logits, targets and contestants, plain cross-entropy first."""
    inputs = (3 * torch.randn(elements)).requires_grad_()
    targets = (torch.rand(elements) < 0.1).float()
    yield (
        f"sigmoid, {elements:,} elements",
        inputs,
        targets,
        {
            "binary_cross_entropy_with_logits": functional.binary_cross_entropy_with_logits,
            "ours, alpha 0.25, gamma 2": SigmoidFocalLoss(),
            "ours, no alpha, gamma 2": SigmoidFocalLoss(alpha=-1),
            "ours, no alpha, gamma 1.5": SigmoidFocalLoss(alpha=-1, gamma=1.5),
            "reference": reference.SigmoidFocalLoss(),
            "torchvision's formula": torchvision_formula,
        },
    )
    for classes in (10, 80):
        inputs = (3 * torch.randn(elements // classes, classes)).requires_grad_()
        targets = torch.randint(0, classes, (elements // classes,))
        yield (
            f"softmax, {elements // classes:,} rows of {classes} classes",
            inputs,
            targets,
            {
                "cross_entropy": functional.cross_entropy,
                "ours, gamma 2": SoftmaxFocalLoss(),
                "ours, gamma 1.5": SoftmaxFocalLoss(gamma=1.5),
                "reference": reference.SoftmaxFocalLoss(),
                "usual formula": softmax_formula,
            },
        )


def main(elements=1_000_000, threads=2, laps=15):
    """Measure and print every case."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    print(f"{threads} threads, {laps} laps, torch {torch.__version__}; ratios are to the first of a case\n")
    print("| case | loss | median (ratio) | least (ratio) | CPU time (ratio) | memory added |")
    print("|---|---|---|---|---|---|")
    for title, inputs, targets, contestants in cases(elements):
        for loss in contestants.values():
            step(loss, inputs, targets)
        times = {name: [] for name in contestants}
        for _ in range(laps):
            for name, loss in contestants.items():
                times[name].append(step(loss, inputs, targets))
        floor = None
        for name, laps_of in times.items():
            wall, cpu = zip(*laps_of, strict=True)
            figures = [1e3 * statistics.median(wall), 1e3 * min(wall), 1e3 * min(cpu)]
            floor = floor or figures
            cells = [f"{f:.2f} ms ({f / b:.2f})" for f, b in zip(figures, floor, strict=True)]
            memory = f"{added_memory(contestants[name], inputs, targets):.1f} MB"
            print("| " + " | ".join([title, name, *cells, memory]) + " |")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
