import importlib.util
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.sources.logs._decode import FULL
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.jsonl import Jsonl

_SPEC = importlib.util.spec_from_file_location("tables", Path(__file__).with_name("tables.py"))
t = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(t)

RUNLOGS = Path(__file__).parents[4] / "shared" / "data" / "runlogs"


def _lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_detectron2(tmp_path):
    text = _lines(
        *({"iteration": i, "total_loss": 2.0 - i, "fast_rcnn/fg_cls_accuracy": 0.0} for i in (19, 39)),
        {"iteration": 39, "bbox/AP": 12.5, "bbox/AP-cat": math.nan},
    )
    parsed = t.parse(Jsonl, tmp_path, text)
    assert parsed.format == "detectron2 metrics.json"
    assert t.rows(parsed, "total_loss") == [(19, None, -17), (39, None, -37), (39, None, None)]
    assert parsed.records[2].values["bbox/AP"] == 12.5
    assert math.isnan(parsed.records[2].values["bbox/AP-cat"])
    assert parsed.templates[0].count == 3


def test_mmcv_validation_rows_that_count_their_own_batches_stand_where_training_stood(tmp_path):
    text = "{}\n" + _lines(
        {"mode": "train", "epoch": 1, "iter": 50, "loss": 1.5},
        {"mode": "train", "epoch": 1, "iter": 100, "loss": 1.4},
        {"mode": "val", "epoch": 1, "iter": 8, "mIoU": 0.5},
        {"mode": "train", "epoch": 2, "iter": 50, "loss": 1.3},
        {"mode": "val", "epoch": 2, "iter": 8, "mIoU": 0.6},
    )
    parsed = t.parse(Jsonl, tmp_path, text)
    assert parsed.format == "mmcv log.json"
    assert [(r.step, r.epoch, r.phase) for r in parsed.records] == [
        (50, 1, "train"), (100, 1, "train"), (100, 1, "val"), (150, 2, "train"), (150, 2, "val"),
    ]  # fmt: skip


def test_mmengine_validation_rows_that_call_the_epoch_a_step(tmp_path):
    text = _lines(
        {"lr": 0.1, "data_time": 0.1, "loss": 1.5, "epoch": 1, "iter": 50, "step": 50},
        {"lr": 0.1, "data_time": 0.1, "loss": 1.4, "epoch": 1, "iter": 100, "step": 100},
        {"coco/bbox_mAP": 0.1, "step": 1},
        {"lr": 0.1, "data_time": 0.1, "loss": 1.3, "epoch": 2, "iter": 200, "step": 200},
    )
    parsed = t.parse(Jsonl, tmp_path, text)
    assert parsed.format == "mmengine scalars.json"
    assert [(r.step, r.epoch) for r in parsed.records] == [(50, 1), (100, 1), (100, 1), (200, 2)]


def test_llama_factory(tmp_path):
    row = {"total_steps": 60, "loss": 0.8, "lr": 1e-5, "elapsed_time": "0:02:12"}
    text = _lines({"current_steps": 10, "epoch": 0.5, **row}, {"current_steps": 20, "epoch": 1.0, **row})
    parsed = t.parse(Jsonl, tmp_path, text)
    assert parsed.hints == {"planned_steps": 60}
    assert t.rows(parsed, "loss", "lr") == [(10, 0.5, 0.8, 1e-5), (20, 1.0, 0.8, 1e-5)]


def test_settings_are_no_measurements(tmp_path):
    text = _lines(
        {"type": "meta", "config": {"lr": 0.1, "loss": 3}, "steps": 600},
        {"step": 10, "loss": "nan", "phase": "warmup", "val_ap": "0.5"},
        {"step": 20, "loss": 0.5, "phase": "main", "val_ap": "-inf"},
    )
    parsed = t.parse(Jsonl, tmp_path, text)
    first, second = (r.values for r in parsed.records)
    assert math.isnan(first["loss"])
    assert (first["phase"], first["val_ap"]) == (0, 0.5)
    assert dict(second) == {"loss": 0.5, "phase": 2, "val_ap": -math.inf}
    assert [r.line for r in parsed.records] == [2, 3]


def _epochs(**last):
    rows = [{"epoch": i, "loss": 0.5, "val_loss": 0.6, "auc": 0.7} for i in range(5)]
    return rows + [{**rows[0], **last, "epoch": i} for i in range(5, 9)]


def test_a_loss_that_is_null_to_the_end_was_not_finite(tmp_path):
    for rows in (
        _epochs(loss=None),
        _epochs(loss=None, auc=None),
        [{**r, "auc": None} for r in _epochs(loss=None)],
    ):
        records = list(t.parse(Jsonl, tmp_path, _lines(*rows)).records)
        lost = [r for r in records if math.isnan(r.values.get("loss", 0))]
        assert [(r.epoch, r.line) for r in lost] == [(5, 6), (6, 7), (7, 8), (8, 9)]
        assert sum(r.values.get("loss") == 0.5 for r in records) == 5
    alone = [{"step": i, "loss": 0.5 if i < 4 else None} for i in range(9)]
    records = list(t.parse(Jsonl, tmp_path, _lines(*alone)).records)
    assert [r.step for r in records if math.isnan(r.values["loss"])] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "rows",
    [
        _epochs(loss=None)[:7],
        _epochs(loss=None)[3:],
        [*_epochs(loss=None), *_epochs()[:1]],
        [{"epoch": 0, "loss": None, "val_loss": 0.6, "auc": 0.7}, *_epochs(loss=None)],
        _epochs(loss=None, test_auc=0.7),
        _epochs(auc=None),
    ],
    ids=[
        "too few nulls",
        "too few before",
        "a value after",
        "a null before",
        "rows of another kind",
        "no loss",
    ],
)
def test_null_is_mostly_what_was_not_measured(tmp_path, rows):
    records = t.parse(Jsonl, tmp_path, _lines(*rows)).records
    assert not [r for r in records if any(map(math.isnan, r.values.values()))]


def test_nested_values_are_flattened(tmp_path):
    row = {"epoch": "3/40", "metrics": {"loss": 0.5, "val": {"auc": 0.6}}, "recall": [0.1, None], "on": True}
    parsed = t.parse(Jsonl, tmp_path, _lines(row, {**row, "epoch": "4/40", "scores": list(range(999))}))
    assert [dict(r.values) for r in parsed.records] == [{"loss": 0.5, "val/auc": 0.6, "recall[0]": 0.1}] * 2
    assert [r.epoch for r in parsed.records] == [3, 4]
    assert parsed.hints == {"planned_epochs": 40}


def test_events_and_long_rows(tmp_path):
    parsed = t.parse(
        Jsonl,
        tmp_path,
        _lines(
            {"_type": "train_epoch", "epoch": "1/400", "loss": "0.5"},
            {"_type": "val_epoch", "epoch": "1/400", "top1_err": 90.0},
            {"name": "val/loss", "value": 0.25, "step": 7, "rank": 3},
        ),
    )
    assert [(r.phase, r.rank, dict(r.values)) for r in parsed.records] == [
        ("train", "", {"loss": 0.5}), ("val", "", {"top1_err": 90}), ("", "3", {"val/loss": 0.25}),
    ]  # fmt: skip


def test_clients_and_seeds_are_runs_of_their_own(tmp_path):
    text = _lines(*({"client_id": c, "round": r, "loss": 0.5} for r in range(2) for c in (0, 1)))
    parsed = t.parse(Jsonl, tmp_path, text)
    assert [(r.group, r.epoch) for r in parsed.records] == [
        ("client_id 0", 0), ("client_id 1", 0), ("client_id 0", 1), ("client_id 1", 1),
    ]  # fmt: skip


def test_line_cut_short_is_counted(tmp_path):
    parsed = t.parse(
        Jsonl, tmp_path, _lines({"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4}) + '{"step": 3, "lo'
    )
    assert t.rows(parsed, "loss") == [(1, None, 0.5), (2, None, 0.4)]
    assert parsed.unread == 1


@pytest.mark.parametrize(
    "text",
    [
        "{\n  'loss': 1\n}\n",
        '{"history": {"loss": [1, 2, 3]}}\n',
        "[1, 2]\n[3, 4]\n",
        "loss {}\n{}\nloss\nloss\n",
        "",
    ],
)
def test_what_is_no_json_lines(tmp_path, text):
    assert not t.recognises(Jsonl, tmp_path, text)


_KEYS = st.sampled_from(["loss", "val/auc", "lr", "bbox/AP-dog", "grad_norm"])
_ROWS = st.lists(
    st.dictionaries(_KEYS, st.floats() | st.integers(-99, 99), min_size=1), min_size=1, max_size=20
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS)
def test_round_trip(tmp_path, rows):
    parsed = t.parse(Jsonl, tmp_path, _lines(*({"step": i, **row} for i, row in enumerate(rows))))
    assert [r.step for r in parsed.records] == list(range(len(rows)))
    for record, row in zip(parsed.records, rows, strict=True):
        assert record.values.keys() == row.keys()
        assert all(record.values[k] == v or math.isnan(v) for k, v in row.items())


def test_very_many_rows_are_thinned(tmp_path):
    count = 4 * FULL
    text = "".join(
        f'{{"step": {i}, "loss": {"NaN" if i == count - 99 else 1 / (i + 1)}}}\n' for i in range(count)
    )
    parsed = Jsonl.read(t.log_file(t.write(tmp_path, text, "log")), Options())
    records = list(parsed.records)
    assert FULL < len(records) < 3 * FULL
    assert [r.step for r in records if math.isnan(r.values["loss"])] == [count - 99]
    assert records[-1].step == count - 1
    assert parsed.templates[0].count == count


def test_hostile_lines(tmp_path):
    good = _lines({"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4}) * 20
    bad = [
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"step": 1' + "0" * 400 + ', "loss": 2' + "0" * 400 + "}",
        '{"x": 1' + "0" * 5_000 + "}",
    ]
    parsed = t.parse(Jsonl, tmp_path, good + "\n".join(bad) + "\n")
    assert len(parsed.records) == 40
    assert parsed.unread >= 2


def test_damage_is_survived(tmp_path):
    text = _lines(*({"mode": "train", "epoch": i, "loss": 0.5, "val": {"auc": [0.5, 0.6]}} for i in range(8)))
    assert t.survive(Jsonl, tmp_path, text, 400) > 200


@pytest.mark.skipif(not RUNLOGS.is_dir(), reason="the shared run logs are not here")
def test_shared_run_logs():
    paths = sorted(RUNLOGS.glob("*.jsonl"))[::20]
    assert paths
    for path in paths:
        file = t.log_file(path)
        assert Jsonl.recognises(file)
        parsed = Jsonl.read(file, Options())
        records = list(parsed.records)
        rows = [json.loads(line) for line in path.read_text().splitlines()][1:]
        assert (len(records), parsed.unread) == (len(rows), 0)
        for record, row in zip(records, rows, strict=True):
            expected = {k: float(v) for k, v in row.items() if k not in {"step", "phase"} and v is not None}
            assert record.step == row["step"]
            assert {k for k in record.values if k != "phase"} == expected.keys()
            assert all(record.values[k] == v or math.isnan(v) for k, v in expected.items())
