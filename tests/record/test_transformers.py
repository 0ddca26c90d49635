"""The callback in real training runs of the real package."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from transformers import Trainer, TrainingArguments

from imbalance_doctor.errors import InputError  # noqa: E402
from imbalance_doctor.record.transformers import ScoreRecorderCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the package's own

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0.5).long()


class Data(torch.utils.data.Dataset):
    def __init__(self, tokens=0):
        self.tokens = tokens

    def __len__(self):
        return 40

    def __getitem__(self, i):
        if self.tokens:
            return {"x": X[i].expand(self.tokens, 3), "labels": Y[i].expand(self.tokens)}
        return {"x": X[i], "labels": Y[i]}


class Model(torch.nn.Module):
    """Puts out what models of transformers do, in each of their ways."""

    def __init__(self, gives="mapping"):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
        self.config = transformers.PretrainedConfig()
        self.gives = gives
        self.seen = []

    def forward(self, x, labels=None):
        logits = self.layer(x)
        if self.training:
            self.seen.append((logits.detach().clone().reshape(-1, 2), labels))
        loss = (
            None
            if labels is None
            else torch.nn.functional.cross_entropy(logits.reshape(-1, 2), labels.flatten())
        )
        if self.gives == "tuple":
            return (logits,) if loss is None else (loss, logits)
        if self.gives == "loss":
            return {"loss": loss}
        return transformers.modeling_outputs.SequenceClassifierOutput(loss=loss, logits=logits)


def train(folder, model, callback, *, tokens=0, trainer=Trainer, loss=None, **options):
    arguments = TrainingArguments(
        **{
            "output_dir": str(folder / "out"),
            "per_device_train_batch_size": 7,
            "num_train_epochs": 2,
            "report_to": [],
            "save_strategy": "no",
            "disable_tqdm": True,
            "use_cpu": True,
            **options,
        }
    )
    trainer(
        model=model,
        args=arguments,
        train_dataset=Data(tokens),
        eval_dataset=Data(tokens),
        callbacks=[callback],
        compute_loss_func=loss,
    ).train()


def check(rows, model, labels=None):
    assert np.array_equal(rows["scores"], torch.cat([s for s, _ in model.seen]))
    expected = torch.cat([y.flatten() for y in (labels or [y for _, y in model.seen])])
    assert np.array_equal(rows["targets"], expected)


@pytest.mark.parametrize("gives", ["mapping", "tuple"])
def test_the_model_is_watched_in_training_only(tmp_path, read_rows, gives):
    model = Model(gives)
    train(tmp_path, model, ScoreRecorderCallback(tmp_path / "x.scores"), eval_strategy="epoch")
    rows = read_rows(tmp_path / "x.scores")
    check(rows, model)
    assert rows["step"].tolist() == [step for step, (s, _) in enumerate(model.seen) for _ in s]
    assert rows["step"].max() == 11
    assert np.allclose(rows["epoch"], rows["step"] / 6)
    assert not model._forward_hooks


def test_accumulated_batches_share_a_step(tmp_path, read_rows):
    model = Model()
    train(tmp_path, model, ScoreRecorderCallback(tmp_path / "x.scores"), gradient_accumulation_steps=3)
    rows = read_rows(tmp_path / "x.scores")
    check(rows, model)
    assert rows["step"].tolist() == [call // 3 for call, (s, _) in enumerate(model.seen) for _ in s]


def test_tokens_become_rows(tmp_path, read_rows):
    model = Model()
    train(tmp_path, model, ScoreRecorderCallback(tmp_path / "x.scores"), tokens=2)
    rows = read_rows(tmp_path / "x.scores")
    check(rows, model)
    assert len(rows["step"]) == 2 * 2 * 40


def _loss(outputs, labels, num_items_in_batch=None):
    logits = outputs[0] if isinstance(outputs, tuple) else outputs.logits
    return torch.nn.functional.cross_entropy(logits, labels)


@pytest.mark.parametrize("gives", ["mapping", "tuple"])
def test_a_loss_function_can_be_watched(tmp_path, read_rows, gives):
    model, labels = Model(gives), []

    def loss(outputs, y, num_items_in_batch=None):
        if model.training:
            labels.append(y)
        return _loss(outputs, y)

    callback = ScoreRecorderCallback(tmp_path / "x.scores")
    train(tmp_path, model, callback, loss=callback.watching(loss), eval_strategy="epoch")
    assert len(labels) == 12
    check(read_rows(tmp_path / "x.scores"), model, labels)


@pytest.mark.parametrize("options", [{"loss": _loss}, {"label_smoothing_factor": 0.1}])
def test_labels_that_do_not_reach_the_model_are_asked_for(tmp_path, options):
    with pytest.raises(InputError, match=r"callback\.watching.*hook=False"):
        train(tmp_path, Model(), ScoreRecorderCallback(tmp_path / "x.scores"), **options)


def test_a_loss_of_ones_own_may_record(tmp_path, read_rows):
    labels = []

    class Own(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            y = inputs.pop("labels")
            outputs = model(**inputs)
            callback.record(outputs.logits, y)
            if model.training:
                labels.append(y)
            loss = _loss(outputs, y)
            return (loss, outputs) if return_outputs else loss

    model = Model()
    callback = ScoreRecorderCallback(tmp_path / "x.scores", hook=False)
    train(tmp_path, model, callback, trainer=Own, eval_strategy="epoch", label_smoothing_factor=0.1)
    check(read_rows(tmp_path / "x.scores"), model, labels)
    callback.record(torch.zeros(1, 2), torch.zeros(1))  # after training: nothing


def test_an_output_without_logits_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected 'logits' in the model's output, but got keys loss"):
        train(tmp_path, Model("loss"), ScoreRecorderCallback(tmp_path / "x.scores"))


def test_language_models_are_refused(tmp_path):
    model = type("TinyForCausalLM", (Model,), {})()
    with pytest.raises(InputError, match="expected a classifier, but got TinyForCausalLM"):
        train(tmp_path, model, ScoreRecorderCallback(tmp_path / "x.scores"))
    assert not (tmp_path / "x.scores").exists()


@pytest.mark.parametrize(
    ("kind", "labels", "shape"),
    [
        ("ForSequenceClassification", [0, 2, 1], (3, 3)),
        ("ForSequenceClassification", [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], (3, 3)),
        ("ForTokenClassification", [[0, 2, -100, 1], [1, 1, 1, -100], [0, 0, 2, 2]], (12, 3)),
    ],
)
def test_models_of_the_package_are_recorded(tmp_path, read_rows, kind, labels, shape):
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        num_labels=3,
    )
    model = getattr(transformers, "Bert" + kind)(config)
    data = [{"input_ids": [1, 2, 3, i], "labels": label} for i, label in enumerate(labels)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        num_train_epochs=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        callbacks=[ScoreRecorderCallback(tmp_path / "x.scores")],
    ).train()
    rows = read_rows(tmp_path / "x.scores")
    assert rows["scores"].shape == shape
    expected = np.array(labels).reshape(rows["targets"].shape)
    assert np.array_equal(np.sort(rows["targets"], axis=0), np.sort(expected, axis=0))
