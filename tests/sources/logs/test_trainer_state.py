import importlib.util
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.trainer_state import TrainerState

_SPEC = importlib.util.spec_from_file_location("tables", Path(__file__).with_name("tables.py"))
t = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(t)

HISTORY = [
    {"epoch": 0.5, "grad_norm": math.nan, "learning_rate": 1e-5, "loss": 0.0, "step": 500},
    {"epoch": 1.0, "eval_loss": 0.7, "eval_f1": math.inf, "eval_runtime": 3.5, "step": 1000},
    {"epoch": 1.5, "learning_rate": "5e-06", "loss": "0.61", "step": 1500, "nested": {"a": [1, 2]}},
    {"epoch": 2.0, "step": 2000, "total_flos": 1e15, "train_loss": 0.65, "train_runtime": 99.5},
]


def _state(history=HISTORY, **others):
    state = {
        "best_metric": 0.7,
        "best_model_checkpoint": "out/checkpoint-1000",
        "epoch": 2.0,
        "global_step": 2000,
        "is_hyper_param_search": False,
        "log_history": history,
        "max_steps": 2000,
        "num_train_epochs": 2,
        "train_batch_size": 8,
        **others,
    }
    return json.dumps(state, indent=2)


def test_three_kinds_of_rows(tmp_path):
    parsed = t.parse(TrainerState, tmp_path, _state(), "__init__.py")
    assert parsed.format == "Hugging Face trainer_state.json"
    assert [(r.step, r.epoch) for r in parsed.records] == [(500, 0.5), (1000, 1), (1500, 1.5)]
    first, second, third = (r.values for r in parsed.records)
    assert math.isnan(first["grad_norm"])
    assert first["loss"] == 0
    assert (second["eval_loss"], second["eval_f1"]) == (0.7, math.inf)
    assert (third["loss"], third["learning_rate"]) == (0.61, 5e-06)
    assert parsed.hints == {"planned_steps": 2000, "planned_epochs": 2, "batch_size": 8}
    assert parsed.templates[0].count == 3


def test_rows_know_their_lines(tmp_path):
    text = _state()
    parsed = t.parse(TrainerState, tmp_path, text)
    lines = text.splitlines()
    for record, row in zip(parsed.records, HISTORY, strict=False):
        block = "\n".join(lines[record.line - 1 : record.line + 12])
        assert block.lstrip().startswith("{")
        assert f'"epoch": {row["epoch"]}' in block.split("}")[0]


def test_unset_limits_are_no_hints(tmp_path):
    parsed = t.parse(
        TrainerState, tmp_path, _state(max_steps=-1, num_train_epochs=None, train_batch_size=None)
    )
    assert parsed.hints == {}


def test_state_cut_short_gives_its_whole_rows(tmp_path):
    text = _state()
    cut = text[: text.index('"loss": "0.61"')]
    parsed = t.parse(TrainerState, tmp_path, cut)
    assert [r.step for r in parsed.records] == [500, 1000]
    assert parsed.notes == ["the file is cut short: the rows before the cut are read"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"best_model_checkpoint": 1, "global_step": 1, "max_steps": 5}', "no list 'log_history'"),
        ('{"log_history": {"loss": 1}, "global_step": 1, "max_steps": 5}', "no list 'log_history'"),
        ('{"global_step": 1, "max_steps": 5, "log_history": [}', ":1: expected a trainer state in JSON"),
    ],
)
def test_broken_states(tmp_path, text, says):
    file = t.log_file(t.write(tmp_path, text, "log"))
    with pytest.raises(InputError, match="expected a trainer state") as caught:
        list(TrainerState.read(file, Options()).records)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"loss": [1, 2]}', '[{"log_history": []}]', "step 1, log_history"]
)
def test_what_is_no_state(tmp_path, text):
    assert not t.recognises(TrainerState, tmp_path, text)


def test_deep_nesting(tmp_path):
    file = t.log_file(t.write(tmp_path, '{"log_history": [' + "[" * 200_000, "log"))
    with pytest.raises(InputError):
        TrainerState.read(file, Options())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.tuples(st.floats(), st.none() | st.floats(allow_nan=False)), min_size=1, max_size=20),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_round_trip(tmp_path, values, encoding):
    history = []
    for i, (loss, metric) in enumerate(values, start=1):
        history.append({"epoch": i / 4, "loss": loss, "step": 10 * i})
        if metric is not None:
            history.append({"epoch": i / 4, "eval_auc": metric, "step": 10 * i})
    parsed = t.parse(TrainerState, tmp_path, _state(history).encode(encoding))
    assert len(parsed.records) == len(history)
    for record, row in zip(parsed.records, history, strict=True):
        assert (record.step, record.epoch) == (row["step"], row["epoch"])
        (key,) = record.values
        assert record.values[key] == row[key] or math.isnan(row[key])


def test_real_trainer(tmp_path):
    transformers = pytest.importorskip("transformers")
    state = transformers.TrainerState(log_history=HISTORY, global_step=2000, max_steps=4000)
    state.save_to_json(str(tmp_path / "state.json"))
    parsed = t.parse(TrainerState, tmp_path, (tmp_path / "state.json").read_bytes())
    assert [r.step for r in parsed.records] == [500, 1000, 1500]
    assert parsed.hints["planned_steps"] == 4000


def test_damage_is_survived(tmp_path):
    assert t.survive(TrainerState, tmp_path, _state(), 400) > 50
