"""Train a fraud detector with a ranking loss. An example to check, never run: it has a fault."""

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


def load(split: str) -> TensorDataset:
    """Read features and labels of one split."""
    archive = np.load(HERE / f"{split}.npz")
    features = torch.from_numpy(archive["x"]).float()
    return TensorDataset(features, torch.from_numpy(archive["y"]).long())


def main() -> None:
    """Train and keep the weights of the last epoch."""
    train_loader = DataLoader(load("train"), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
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

    step = 0
    for epoch in range(EPOCHS):
        criterion.on_train_epoch_start(epoch)
        for features, target in train_loader:
            criterion.on_train_batch_start(step)
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(features), target)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
    torch.save(model.state_dict(), HERE / "model.pt")


if __name__ == "__main__":
    main()
