import importlib.util
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs import json_document
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.json_document import JsonDocument

_SPEC = importlib.util.spec_from_file_location("tables", Path(__file__).with_name("tables.py"))
t = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(t)

KERAS = {"loss": [0.9, 0.8, 0.7], "val_loss": [1.0, 0.9, 0.8], "val_auc": [0.5, 0.6, 0.7]}
KERAS_ROWS = [(None, i, KERAS["loss"][i], KERAS["val_auc"][i]) for i in range(3)]


@pytest.mark.parametrize(
    "value",
    [
        KERAS,
        {"history": KERAS, "params": {"epochs": 3, "lr": 0.1}, "test_auc": 0.7, "classes": ["a", "b"]},
        {"model": {"training_history": KERAS}, "confusion_matrix": [[1, 2], [3, 4]]},
        [{"epoch": i, **{k: v[i] for k, v in KERAS.items()}} for i in range(3)],
        {"results": [{"epoch": i, **{k: v[i] for k, v in KERAS.items()}} for i in range(3)], "best_epoch": 2},
        {k: {str(i): v for i, v in enumerate(column)} for k, column in KERAS.items()},
        {f"epoch_{i}": {k: v[i] for k, v in KERAS.items()} for i in range(3)},
        {
            "columns": list(KERAS),
            "index": [0, 1, 2],
            "data": [list(row) for row in zip(*KERAS.values(), strict=True)],
        },
        {**KERAS, "epoch": [0, 1, 2], "predictions": [0.1] * 50},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_one_history_in_many_shapes(tmp_path, value, indent):
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value, indent=indent))
    rows = t.rows(parsed, "loss", "val_auc")
    if isinstance(value, dict) and "index" in value:  # the rows of a table without an axis
        rows = [(None, i, *row[2:]) for i, row in enumerate(rows)]
    assert rows == KERAS_ROWS


def test_phases_of_boosted_trees(tmp_path):
    value = {"validation_0": {"auc": [0.5, 0.6]}, "validation_1": {"auc": [0.5, 0.55]}}
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert t.rows(parsed, "validation_0/auc", "validation_1/auc") == [
        (None, None, 0.5, 0.5), (None, None, 0.6, 0.55),
    ]  # fmt: skip
    value = {"training": {"binary_logloss": [0.5, 0.4]}, "valid_1": {"binary_logloss": [0.5, 0.45]}}
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert parsed.records[1].values == {"training/binary_logloss": 0.4, "valid_1/binary_logloss": 0.45}


def test_metric_above_phase(tmp_path):
    value = {"loss": {"train": [0.5, 0.4], "val": [0.6, 0.5]}, "f1": {"train": [0.1, 0.2], "val": [0.1, 0.3]}}
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert t.rows(parsed, "loss/train", "f1/val") == [(None, 0, 0.5, 0.1), (None, 1, 0.4, 0.3)]


def test_catboost(tmp_path):
    value = {
        "meta": {
            "learn_metrics": [{"name": "Logloss"}],
            "test_metrics": [{"name": "Logloss"}, {"name": "AUC"}],
        },
        "iterations": [
            {"iteration": i, "learn": [0.5], "test": [0.6, 0.7], "passed_time": 1} for i in range(3)
        ],
    }
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert parsed.format == "CatBoost training JSON"
    assert t.rows(parsed, "learn/Logloss", "test/Logloss", "test/AUC") == [
        (i, None, 0.5, 0.6, 0.7) for i in range(3)
    ]


@pytest.mark.parametrize("names", [("fold_1", "fold_2"), ("resnet", "vgg")])
def test_runs_side_by_side(tmp_path, names):
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(dict.fromkeys(names, KERAS)))
    assert [r.group for r in parsed.records] == [name for name in names for _ in range(3)]
    assert t.rows(parsed, "loss", "val_auc") == KERAS_ROWS * 2
    parsed = t.parse(JsonDocument, tmp_path, json.dumps([KERAS, KERAS]))
    assert [r.group for r in parsed.records] == ["run 1"] * 3 + ["run 2"] * 3


def test_rows_by_phase_are_put_in_order(tmp_path):
    value = {
        "train": [{"epoch": i, "loss": 0.5} for i in range(3)],
        "val": [{"epoch": i, "loss": 0.6} for i in range(3)],
    }
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert [(r.epoch, r.phase) for r in parsed.records] == [
        (i, p) for i in range(3) for p in ("train", "val")
    ]


def test_lists_of_unequal_length(tmp_path):
    value = {"train_loss": [1 / (i + 1) for i in range(100)], "val_auc": [0.1, 0.2, 0.3, 0.4, 0.5]}
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert [(i, r.values["val_auc"]) for i, r in enumerate(parsed.records) if "val_auc" in r.values] == [
        (19, 0.1), (39, 0.2), (59, 0.3), (79, 0.4), (99, 0.5),
    ]  # fmt: skip
    assert all(r.epoch is None for r in parsed.records)
    value = {"loss": [0.4, 0.3, 0.2, 0.1], "val_loss": [0.5, 0.4, 0.3], "recall_per_class": [0.1, 0.9]}
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert [r.values.get("val_loss") for r in parsed.records] == [0.5, 0.4, 0.3, None]
    assert all("recall_per_class" not in r.values for r in parsed.records)


def test_axes_of_unequal_length(tmp_path):
    value = {
        "train": {"step": [10, 20, 30, 40, 50, 60], "loss": [6, 5, 4, 3, 2, 1]},
        "val": {"step": [30, 60], "loss": [9, 8]},
    }
    assert t.rows(t.parse(JsonDocument, tmp_path, json.dumps(value)), "train/loss", "val/loss") == [
        (10, None, 6, None), (20, None, 5, None), (30, None, 4, 9),
        (40, None, 3, None), (50, None, 2, None), (60, None, 1, 8),
    ]  # fmt: skip


def test_pairs_and_vectors(tmp_path):
    parsed = t.parse(JsonDocument, tmp_path, json.dumps({"val/auc": [[10, 0.5], [20, 0.6], [40, 0.7]]}))
    assert t.rows(parsed, "val/auc") == [(10, None, 0.5), (20, None, 0.6), (40, None, 0.7)]
    board = [[1607259003.1, 0, 0.5], [1607259013.1, 5, 0.4], [1607259023.1, 9, 0.3]]
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(board), "train_loss.json")
    assert t.rows(parsed, "train_loss") == [(0, None, 0.5), (5, None, 0.4), (9, None, 0.3)]
    value = {"loss": [3, 2, 1], "val_recall": [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]}
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert parsed.records[1].values == {"loss": 2, "val_recall[0]": 0.2, "val_recall[1]": 0.8}
    parsed = t.parse(JsonDocument, tmp_path, "[0.5, 0.4, NaN]", "train_losses.json")
    assert [*parsed.records[0].values] == ["train_losses"]


def test_python_text(tmp_path):
    text = "{'loss': [0.9, nan, np.float64(0.7)], 'val_loss': array([1., inf, 3.], dtype=float32), "
    text += "'note': 'nan (x'}"
    first, second, third = (r.values for r in t.parse(JsonDocument, tmp_path, text).records)
    assert first == {"loss": 0.9, "val_loss": 1}
    assert math.isnan(second["loss"])
    assert second["val_loss"] == math.inf
    assert third == {"loss": 0.7, "val_loss": 3}
    text = "hist = defaultdict(<class 'list'>, {'train_loss': [tensor(0.5), tensor(0.4, device='cuda:0')]})"
    assert [r.values["train_loss"] for r in t.parse(JsonDocument, tmp_path, text).records] == [0.5, 0.4]


def test_nothing_is_evaluated(tmp_path):
    marker = tmp_path / "marker"
    text = f"{{'loss': [0.5, 0.4, open({str(marker)!r}, 'w')], 'acc': [__import__('os').getcwd(), 1, 2]}}"
    assert not t.recognises(JsonDocument, tmp_path, text)
    with pytest.raises(InputError, match="syntax error"):
        JsonDocument.read(t.log_file(tmp_path / "log"), Options())
    assert not marker.exists()


def test_several_objects_and_a_list_cut_short(tmp_path):
    rows = [{"epoch": i, "loss": 0.5} for i in range(3)]
    several = "\n".join(json.dumps(row, indent=1) for row in rows)
    assert [r.epoch for r in t.parse(JsonDocument, tmp_path, several).records] == [0, 1, 2]
    cut = json.dumps(rows, indent=1)[:-20]
    parsed = t.parse(JsonDocument, tmp_path, cut)
    assert [r.epoch for r in parsed.records] == [0, 1]
    assert parsed.notes


@pytest.mark.parametrize(
    "value",
    [
        {"accuracy": 0.9, "auc": 0.8, "confusion_matrix": [[1, 2], [3, 4]]},
        {
            "0": {"precision": 0.1, "recall": 0.2, "support": 10},
            "1": {"precision": 0.1, "recall": 0.2, "support": 9},
        },
        [{"class": "cat", "recall": 0.5}, {"class": "dog", "recall": 0.6}],
        {"loss": "focal", "metric": "auc", "epochs": 5},
        {"loss": {}, "auc": []},
    ],
)
def test_results_that_follow_no_run(tmp_path, value):
    assert not t.recognises(JsonDocument, tmp_path, json.dumps(value))


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"fpr": [0, 0.1, 1], "tpr": [0, 0.5, 1]}, "points of a ROC or precision-recall curve"),
        ({"roc": {"fpr": [0, 1], "tpr": [0, 1], "thresholds": [3, 2]}, "auc": 0.5}, "metrics by thresholds"),
        ({"precision": [0, 0.1, 1], "recall": [0, 0.5, 1], "threshold": [3, 2, 1]}, "metrics by threshold"),
    ],
)
def test_curves_of_another_kind(tmp_path, value, what):
    parsed = t.parse(JsonDocument, tmp_path, json.dumps(value))
    assert (parsed.instead, parsed.records) == (f"a JSON document: {what}", [])
    parsed = t.parse(JsonDocument, tmp_path, json.dumps({**value, "history": KERAS}))
    assert parsed.instead == ""
    assert t.rows(parsed, "loss", "val_auc") == KERAS_ROWS


def test_large_documents_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_document, "_LARGEST", 1_000)
    file = t.log_file(t.write(tmp_path, json.dumps({"loss": [0.5] * 1_000}), "log"))
    with pytest.raises(InputError, match="expected a JSON document of at most"):
        JsonDocument.read(file, Options())


@pytest.mark.parametrize(
    "text", ['{"loss":' * 7_000, "[" * 60_000, "{'loss': " + "(" * 5_000, '{"loss": [1, 2']
)
def test_hostile_text(tmp_path, text):
    file = t.log_file(t.write(tmp_path, text, "log"))
    assert not JsonDocument.recognises(file)
    with pytest.raises(InputError, match="expected a JSON document"):
        JsonDocument.read(file, Options())


_SERIES = st.lists(st.floats() | st.none(), min_size=2, max_size=12).filter(
    lambda v: any(x is not None for x in v)
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lists=st.dictionaries(st.sampled_from(["loss", "val_loss", "auc", "lr"]), _SERIES, min_size=1),
    python=st.booleans(),
)
def test_round_trip(tmp_path, lists, python):
    length = min(map(len, lists.values()))
    lists = {
        key: column[:length] for key, column in lists.items() if any(v is not None for v in column[:length])
    }
    if not lists:
        return
    parsed = t.parse(JsonDocument, tmp_path, repr(lists) if python else json.dumps(lists))
    found = {key: [] for key in lists}
    for record in parsed.records:
        for key, value in record.values.items():
            found[key].append(value)
    for key, column in lists.items():
        expected = [v for v in column if v is not None]
        assert len(found[key]) == len(expected)
        assert all(
            a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(found[key], expected, strict=True)
        )


def test_damage_is_survived(tmp_path):
    text = json.dumps(
        {"history": KERAS, "rows": [{"epoch": 1, "loss": 2}, {"epoch": 2, "loss": 2}]}, indent=1
    )
    t.survive(JsonDocument, tmp_path, text, 300)
    assert t.survive(JsonDocument, tmp_path, str(KERAS), 300) > 5
