"""Train a fraud detector with a ranking loss, on made-up features. It runs, but it has a fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from imbalanced_losses import LossWarmupWrapper, SmoothAPLoss
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HERE = Path(__file__).parent
EPOCHS = 20
BATCH_SIZE = 128


def load() -> TensorDataset:
    """Pair the labels of the sample, shape [N, 1], with random features, shape [N, 30]."""
    labels = torch.from_numpy(np.load(HERE / "y.npy")).float().unsqueeze(1)
    return TensorDataset(torch.randn(len(labels), 30), labels)


def main(max_steps: int | None = None) -> float:
    """Train, at most `max_steps` batches, and return the last loss."""
    train_loader = DataLoader(load(), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    # One fraud in 500 payments: a pool of 128 + 512 rows holds one or two.
    ranking = SmoothAPLoss(num_classes=1, queue_size=512, temperature=0.01)
    criterion = LossWarmupWrapper(
        warmup_loss=nn.BCEWithLogitsLoss(),
        main_loss=ranking,
        warmup_epochs=2,
        temp_start=0.5,
        temp_end=0.05,
        temp_decay_steps=10_000,
    )

    step, last = 0, float("nan")
    for epoch in range(EPOCHS):
        criterion.on_train_epoch_start(epoch)
        for features, target in train_loader:
            criterion.on_train_batch_start(step)
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(features), target)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step, last = step + 1, loss.item()
            if step == max_steps:
                return last
    return last


if __name__ == "__main__":
    main()
