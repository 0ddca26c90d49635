"""One process of a data-parallel run: every case, two steps each; writes losses and averaged gradients."""

import sys
import warnings
from datetime import timedelta
from pathlib import Path

import imbalanced_losses as reference
import torch
import torch.distributed as dist
from torch import nn

from imbalance_doctor import losses as ours

FEATURES = 4
STEPS = 2
SIZES = {
    2: {"unequal": (5, 9), "empty": (11, 0)},
    4: {"unequal": (3, 6, 1, 8), "empty": (6, 0, 5, 4)},
}


def wrapper(phase, library=ours, warm=None):
    main = library.SmoothAPLoss(3, queue_size=16, temperature=0.1)
    made = library.LossWarmupWrapper(warm or nn.CrossEntropyLoss(), main, warmup_epochs=1, blend_epochs=1)
    made.on_train_epoch_start({"warmup": 0, "blend": 1, "main": 2}[phase])
    made.on_train_batch_start(0)
    return made


CASES = {
    "smooth_ap": (3, lambda: ours.SmoothAPLoss(3, queue_size=16, temperature=0.1)),
    "smooth_ap_binary": (1, lambda: ours.SmoothAPLoss(1, queue_size=16, temperature=0.1)),
    "recall": (3, lambda: ours.RecallAtQuantileLoss(3, 0.3, queue_size=16, temperature=0.2)),
    "recall_plain": (1, lambda: ours.RecallAtQuantileLoss(1, 0.3, 16, 0.2, anchor=False)),
    "trapezoid": (3, lambda: ours.PAUCAtBudgetLoss(3, beta=0.4, queue_size=16, temperature=1.0)),
    "trapezoid_plain": (1, lambda: ours.PAUCAtBudgetLoss(1, beta=0.4, queue_size=16, anchor=False)),
    "pairwise": (3, lambda: ours.PAUCAtBudgetLoss(3, beta=0.4, surrogate="pairwise", queue_size=16)),
    "live_sum": (3, lambda: ours.SmoothAPLoss(3, 16, 0.1, "sum", pos_numerator="live")),
    "warmup_phase": (3, lambda: wrapper("warmup")),
    "blend_phase": (3, lambda: wrapper("blend")),
    "blend_with_focal": (3, lambda: wrapper("blend", warm=ours.SoftmaxFocalLoss())),
    "main_phase": (3, lambda: wrapper("main")),
    "theirs": (3, lambda: reference.SmoothAPLoss(3, queue_size=16, temperature=0.1)),
    "theirs_blend": (3, lambda: wrapper("blend", reference)),
}


def batch(classes, step, size=None, seed=0):
    """The whole batch of a step, as every process can compute it."""
    g = torch.Generator().manual_seed(100 * classes + 10 * step + seed)
    x = torch.randn(size, FEATURES, generator=g, dtype=torch.float64)
    y = torch.randint(0, max(classes, 2), (size,), generator=g)
    w = torch.rand(size, generator=g, dtype=torch.float64)
    iid = torch.rand(size, generator=g) < 0.8
    return x, y, w, iid


def model(classes):
    torch.manual_seed(7)
    return nn.Linear(FEATURES, classes, dtype=torch.float64)


def steps(name, sizes, rank, *, extras):
    """Run a case; rank None is the single process that sees the whole batch."""
    classes, make = CASES[name]
    net = model(classes)
    run = net if rank is None else nn.parallel.DistributedDataParallel(net)
    loss, found = make(), []
    for step in range(STEPS):
        x, y, w, iid = batch(classes, step, sum(sizes))
        low = 0 if rank is None else sum(sizes[:rank])
        part = slice(0, None) if rank is None else slice(low, low + sizes[rank])
        given = {"sample_weight": w[part]} if extras else {}
        if extras and name in {"trapezoid", "pairwise"}:
            given["iid_mask"] = iid[part]
        net.zero_grad()
        value = loss(run(x[part]), y[part], **given)
        value.backward()
        found.append((value.detach(), torch.cat([p.grad.flatten() for p in net.parameters()])))
    return found


def main(rank, world, store, out):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    early = (
        reference.SmoothAPLoss(1, 0, gather_distributed=True),
        ours.SmoothAPLoss(1, 0, gather_distributed=True),
    )
    x, y, _, _ = batch(1, 0, 6)
    for loss in early:  # a forward before the processes know of each other
        loss(x[:, :1], y)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=world, timeout=timedelta(seconds=60)
    )
    found = {"gathers_late": (early[0]._should_gather(), ours.gather.should_gather(True))}
    for shape, sizes in SIZES[world].items():
        for name in CASES:
            if shape == "empty" and name.startswith("theirs"):
                continue
            for extras in (False, True):
                if extras and name not in {"smooth_ap", "trapezoid", "pairwise", "recall"}:
                    continue
                found[shape, name, extras] = steps(name, sizes, rank, extras=extras)
    found["cap"] = capped(rank, SIZES[world]["unequal"])
    found["double"] = doubled(rank, SIZES[world]["unequal"])
    found["weights_on_one"] = weights_on_one(rank, SIZES[world]["unequal"])
    torch.save(found, out)
    dist.destroy_process_group()


def capped(rank, sizes):
    values = []
    for cap in ("weighted", "quota"):
        torch.manual_seed(rank)  # every process draws from another stream
        loss = ours.SmoothAPLoss(1, queue_size=64, temperature=0.1, max_pool_size=24, cap=cap)
        for step in range(6):
            x, y, _, _ = batch(1, step, sum(sizes))
            low = sum(sizes[:rank])
            part = slice(low, low + sizes[rank])
            values.append(loss(x[part, :1], y[part]).item())
    theirs = reference.SmoothAPLoss(1, queue_size=64, temperature=0.1, max_pool_size=24)
    torch.manual_seed(rank)
    for step in range(6):
        x, y, _, _ = batch(1, step, sum(sizes))
        low = sum(sizes[:rank])
        part = slice(low, low + sizes[rank])
        last = theirs(x[part, :1], y[part]).item()
    return values, last


def doubled(rank, sizes):
    x, y, _, _ = batch(1, 0, sum(sizes))
    low = sum(sizes[:rank])
    part = slice(low, low + sizes[rank])
    found = {}
    for name, library in (("ours", ours), ("theirs", reference)):
        own = x[part, :1].clone().requires_grad_()
        loss = library.SmoothAPLoss(1, queue_size=256, temperature=0.1)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            value = loss(library.all_gather_with_grad(own), library.all_gather_no_grad(y[part]))
        value.backward()
        stored = int((loss._queue._q_targets != -100).sum())
        found[name] = (value.item(), own.grad, stored, len(said))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loss = ours.SmoothAPLoss(1, queue_size=256, temperature=0.1)
        value = loss(reference.all_gather_with_grad(x[part, :1]), reference.all_gather_no_grad(y[part]))
    found["foreign"] = (
        value.item(),
        int((loss._queue._q_targets != -100).sum()),
        [str(w.message) for w in said],
    )
    return found


def weights_on_one(rank, sizes):
    x, y, w, _ = batch(1, 0, sum(sizes))
    low = sum(sizes[:rank])
    part = slice(low, low + sizes[rank])
    loss = ours.SmoothAPLoss(1, queue_size=0, temperature=0.1)
    return loss(x[part, :1], y[part], sample_weight=w[part] if rank == 0 else None).item()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
