"""A training loop that logs `scores_by_class`, with clean labels and with false positives among them."""

from __future__ import annotations

import json

import pytest
from sklearn.metrics import average_precision_score

from imbalance_doctor.diagnose import diagnose
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.record import scores_by_class
from imbalance_doctor.sources.logs import read_logs

torch = pytest.importorskip("torch")


def trained(path, *, false_positives, rows):
    """Train on 4,000 rows, 7 % of them positive, and log every 20 steps."""
    torch.manual_seed(0)
    x = torch.randn(6000, 12)
    y = (torch.rand(6000) < torch.sigmoid(x @ torch.randn(12) / 12**0.5 * 3 - 4.2)).long()
    labels, shown = y[:4000].clone(), slice(4000, 6000)
    negatives = (labels == 0).nonzero().ravel()
    count = int(false_positives * labels.sum())
    labels[negatives[torch.randperm(len(negatives))[:count]]] = 1
    net = torch.nn.Sequential(torch.nn.Linear(12, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    lines = []
    for step in range(1, 601):
        batch = torch.randint(0, 4000, (128,))
        scores = net(x[batch]).ravel()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, labels[batch].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            with torch.no_grad():
                validation = net(x[shown]).ravel()
                own = (scores, labels[batch]) if rows == "batch" else (net(x[:2000]), labels[:2000])
            row = {"step": step, "train_loss": loss.item()}
            row["val_average_precision"] = float(average_precision_score(y[shown], validation))
            row |= scores_by_class(validation, y[shown], "val_") | scores_by_class(*own, "train_")
            lines.append(json.dumps(row))
    path.write_text("\n".join(lines))
    (log,) = (log for reading in read_logs([str(path)]) for log in reading.runs)
    return diagnose(load_rules().rules.values(), logs=[log]).trained[0]


@pytest.mark.parametrize("rows", ["batch", "some training rows"])
def test_false_positives_are_named(tmp_path, rows):
    run = trained(tmp_path / "run.jsonl", false_positives=2.0, rows=rows)
    assert run.verdict == "faulty"
    assert run.causes[0].id == "noisy-positives"
    assert trained(tmp_path / "clean.jsonl", false_positives=0.0, rows=rows).verdict == "healthy"
