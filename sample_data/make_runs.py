"""Train the sample runs and write their logs: ``python sample_data/make_runs.py [FOLDER]`` (needs torch).

Each run trains a small network on synthetic data with one thing wrong, or nothing, and logs it in another
dialect, as users' runs do. The figures differ a little between machines and versions; the cause does not.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imbalance_doctor.losses import SigmoidFocalLoss, SmoothAPLoss

HERE = Path(__file__).parent / "runs"
FEATURES = 20
Row = dict[str, Any]
Loss = Callable[[Tensor, Tensor], Tensor]


def data(rows: int, prevalence: float, seed: int, *, shift: float = 1.4) -> tuple[Tensor, Tensor]:
    """Return features [N, F] and labels [N]: two normal clouds that overlap, the rare one bent."""
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(rows, generator=generator) < prevalence).float()
    features = torch.randn(rows, FEATURES, generator=generator)
    features[:, :4] += shift * targets[:, None] * (0.5 + torch.rand(rows, 4, generator=generator))
    features[:, 4] += targets * (features[:, 5] ** 2 - 1)
    return features, targets


def average_precision(targets: Tensor, scores: Tensor) -> float:
    """Return the average precision; the order of ties is that of the rows."""
    if scores.isnan().any():
        return float("nan")
    ranked = targets[scores.argsort(descending=True, stable=True)]
    hits = ranked.cumsum(0)
    return float((hits / torch.arange(1, len(ranked) + 1) * ranked).sum() / ranked.sum())


def roc_auc(targets: Tensor, scores: Tensor) -> float:
    """Return the area under the ROC curve, ties counted as half."""
    if scores.isnan().any():
        return float("nan")
    positive, negative = scores[targets == 1], scores[targets == 0].sort().values
    below = torch.searchsorted(negative, positive).double()
    upto = torch.searchsorted(negative, positive, right=True).double()
    return float(((below + upto) / 2).mean() / len(negative))


def train(  # noqa: PLR0913  the nuisances of a run
    loss: Loss,
    *,
    steps: int,
    every: int,
    batch: int = 128,
    rate: float = 1e-3,
    width: int = 64,
    rows: int = 12_000,
    prevalence: float = 0.03,
    extra: Callable[[], Row] = dict,
) -> Iterator[Row]:
    """Train a network and yield a row of figures every few steps."""
    torch.manual_seed(0)
    features, targets = data(rows, prevalence, 1)
    held_features, held_targets = data(6_000, prevalence, 2)
    model = nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
    model.append(nn.Linear(width, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    for step in range(1, steps + 1):
        rows_now = torch.randint(len(features), (batch,))
        logits = model(features[rows_now])[:, 0]
        value = loss(logits, targets[rows_now])
        optimiser.zero_grad()
        value.backward()
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        optimiser.step()
        if step % every == 0:
            with torch.no_grad():
                held = model(held_features)[:, 0]
                here = model(features[: len(held_features)])[:, 0]
            yield {
                "step": step,
                "loss": value.item(),
                "grad_norm": norm.item(),
                "positives_in_batch": targets[rows_now].sum().item(),
                "score_mean": logits.mean().item(),
                "score_std": logits.std().item(),
                "score_absmax": logits.abs().max().item(),
                "train_ap": average_precision(targets[: len(held_features)], here),
                "val_loss": nn.functional.binary_cross_entropy_with_logits(held, held_targets).item(),
                "val_ap": average_precision(held_targets, held),
                "val_auroc": roc_auc(held_targets, held),
                **extra(),
            }


def ranking(loss: SmoothAPLoss) -> tuple[Loss, Callable[[], Row]]:
    """Return a step of a ranking loss, and what it knows of its pool."""
    pool: list[Tensor] = []

    def step(logits: Tensor, targets: Tensor) -> Tensor:
        pool.append(targets)
        value: Tensor = loss(logits[:, None], targets.long())
        return value

    def extra() -> Row:
        seen = torch.cat(pool)[-len(pool[-1]) - loss.queue_size :]
        return {
            "temperature": loss.temperature,
            "pool_size": len(seen),
            "pool_positives": seen.sum().item(),
        }

    return step, extra


def cold_temperature() -> Iterator[Row]:
    """Smooth-AP at a temperature far below the spacing of the scores."""
    step, extra = ranking(SmoothAPLoss(num_classes=1, queue_size=1024, temperature=1e-5))
    return train(step, steps=600, every=10, rate=3e-3, extra=extra)


def fractional_gamma() -> Iterator[Row]:
    """Focal loss with gamma 0.5, written by hand without the stabilised form, on data easily separated."""

    def focal(logits: Tensor, targets: Tensor) -> Tensor:
        p = torch.sigmoid(logits)
        p_t = p * targets + (1 - p) * (1 - targets)
        cross_entropy = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return ((1 - p_t) ** 0.5 * cross_entropy).mean()

    return train(focal, steps=1500, every=25, rate=3e-3, extra=lambda: {"gamma": 0.5})


def learnt_by_heart() -> Iterator[Row]:
    """Weighted BCE on 400 rows with a dozen positives, for far too long."""
    weight = torch.tensor(30.0)

    def weighted(logits: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)

    return train(weighted, steps=800, every=20, rate=3e-4, rows=400, width=256)


def healthy() -> Iterator[Row]:
    """Focal loss with gamma 2 and no alpha."""
    loss = SigmoidFocalLoss(alpha=-1, gamma=2.0)
    return train(loss, steps=1000, every=20)


def jsonl(rows: Iterator[Row]) -> str:
    """Write one JSON object per row, NaN as Python writes it."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def text(rows: Iterator[Row]) -> str:
    """Write key-value lines with a time stamp, as hand-written loops do."""
    lines = []
    for number, row in enumerate(rows):
        stamp = f"2026-03-02 10:{number // 60:02d}:{number % 60:02d}"
        shown = {"loss": "loss", "grad norm": "grad_norm", "val loss": "val_loss"}
        shown |= {"val AUC": "val_auroc", "val AP": "val_ap"}
        figures = " | ".join(f"{name}: {row[key]:.5f}" for name, key in shown.items())
        lines.append(f"[{stamp}] INFO step {row['step']}/1500 | {figures}")
    return "\n".join(["[2026-03-02 09:59:59] INFO training starts, gamma=0.5", *lines]) + "\n"


def keras(rows: Iterator[Row]) -> str:
    """Write the columns of a Keras CSVLogger, one row per epoch."""
    import io

    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["epoch", "loss", "pr_auc", "val_auc", "val_loss", "val_pr_auc"])
    for epoch, row in enumerate(rows):
        shown = (row["loss"], row["train_ap"], row["val_auroc"], row["val_loss"], row["val_ap"])
        loss, train_ap, auc, val_loss, ap = (np.format_float_positional(v, precision=6) for v in shown)
        writer.writerow([epoch, loss, train_ap, auc, val_loss, ap])
    return out.getvalue()


RUNS = {
    "cold_temperature.jsonl": (cold_temperature, jsonl),
    "fractional_gamma.log": (fractional_gamma, text),
    "learnt_by_heart.csv": (learnt_by_heart, keras),
    "healthy.jsonl": (healthy, jsonl),
}


def main() -> None:
    """Write every log."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, (run, write) in RUNS.items():
        (folder / name).write_text(write(run()), encoding="utf-8")


if __name__ == "__main__":
    main()
