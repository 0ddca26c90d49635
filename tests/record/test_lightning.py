"""The callback in real training runs of the real package."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lightning = pytest.importorskip("lightning.pytorch")

from imbalance_doctor.errors import InputError  # noqa: E402
from imbalance_doctor.record.lightning import ScoreRecorderCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the package's own, about workers and loggers

X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 1).float()
ROWS = torch.arange(50)


class Model(lightning.LightningModule):
    def __init__(self, returns="mapping"):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.returns = returns
        self.seen = []

    def training_step(self, batch, batch_idx):
        x, y, rows = batch.values() if isinstance(batch, dict) else batch
        logits = self.layer(x)[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y)
        self.seen.append((self.global_step, self.current_epoch, logits.detach().clone(), y, rows))
        if self.returns == "skip" and batch_idx % 2:
            return None
        if self.returns == "error" and self.global_step == 5:
            raise ArithmeticError
        return {
            "loss": loss,
            **({"logits": logits} if self.returns != "loss" else {}),
            **({"targets": y} if self.returns not in {"loss", "logits"} else {}),
        }

    def validation_step(self, batch, batch_idx):
        return {"loss": torch.zeros(()), "logits": torch.full((1,), 99.0), "targets": torch.zeros(1)}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Named(torch.utils.data.Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, i):
        return {"x": X[i], "y": Y[i], "rows": ROWS[i]}


def fit(model, callback, *, named=False, **options):
    data = Named() if named else torch.utils.data.TensorDataset(X, Y, ROWS)
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
    trainer = lightning.Trainer(
        **{
            "max_epochs": 2,
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": [callback],
            **options,
        }
    )
    trainer.fit(model, loader, torch.utils.data.DataLoader(data, batch_size=8))


def check(rows, seen):
    assert np.array_equal(rows["scores"][:, 0], torch.cat([s for _, _, s, _, _ in seen]))
    assert np.array_equal(rows["targets"], torch.cat([y for _, _, _, y, _ in seen]))
    assert rows["step"].tolist() == [step for step, _, s, _, _ in seen for _ in s]
    assert rows["epoch"].tolist() == [epoch for _, epoch, s, _, _ in seen for _ in s]
    if "sample" in rows:
        assert np.array_equal(rows["sample"], torch.cat([r for *_, r in seen]))


@pytest.mark.parametrize("accumulate", [1, 3])
def test_what_the_step_returns_is_recorded(tmp_path, read_rows, accumulate):
    model = Model()
    callback = ScoreRecorderCallback(tmp_path / "x.scores", sample=2)
    fit(model, callback, accumulate_grad_batches=accumulate)
    rows = read_rows(tmp_path / "x.scores")
    check(rows, model.seen)
    assert rows["step"].max() == (13 if accumulate == 1 else 5)
    assert np.array_equal(np.sort(rows["sample"]), np.repeat(np.arange(50), 2))


@pytest.mark.parametrize(("named", "targets", "sample"), [(False, 1, -1), (True, "y", "rows")])
def test_targets_may_come_from_the_batch(tmp_path, read_rows, named, targets, sample):
    model = Model("logits")
    callback = ScoreRecorderCallback(tmp_path / "x.scores", targets=targets, sample=sample)
    fit(model, callback, named=named)
    check(read_rows(tmp_path / "x.scores"), model.seen)


@pytest.mark.parametrize(
    ("returns", "options", "says"),
    [
        ("loss", {}, "expected 'logits' from training_step, but got keys loss; return"),
        ("logits", {}, "expected 'targets' from training_step, but got keys loss, logits; return"),
        ("mapping", {"sample": 3}, "expected 3 from training_step"),
        ("mapping", {"iid": "iid"}, "expected 'iid' from training_step"),
    ],
)
def test_a_step_that_lacks_a_column_is_told_how_to_return_it(tmp_path, returns, options, says):
    with pytest.raises(InputError, match=says):
        fit(Model(returns), ScoreRecorderCallback(tmp_path / "x.scores", **options))


def test_skipped_batches_are_not_recorded(tmp_path, read_rows):
    model = Model("skip")
    fit(model, ScoreRecorderCallback(tmp_path / "x.scores"), max_epochs=1)
    check(read_rows(tmp_path / "x.scores"), model.seen[::2])


def test_an_error_in_training_closes_the_file(tmp_path, read_rows):
    model = Model("error")
    with pytest.raises(ArithmeticError):
        fit(model, ScoreRecorderCallback(tmp_path / "x.scores"))
    check(read_rows(tmp_path / "x.scores"), model.seen[:-1])


def test_nothing_enters_a_checkpoint(tmp_path):
    callback = ScoreRecorderCallback(tmp_path / "x.scores")
    fit(Model(), callback, max_epochs=1)
    assert callback.state_dict() == {}


def test_options_reach_the_recorder(tmp_path, read_rows):
    fit(Model(), ScoreRecorderCallback(tmp_path / "x.scores", every=4), max_epochs=1)
    assert set(read_rows(tmp_path / "x.scores")["step"]) == {0, 4}
    with pytest.raises(InputError, match="overwrite=True"):
        fit(Model(), ScoreRecorderCallback(tmp_path / "x.scores"), max_epochs=1)
