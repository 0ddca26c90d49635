import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.sources.logs.wandb_offline import WandbOffline

_SPEC = importlib.util.spec_from_file_location("containers", Path(__file__).with_name("containers.py"))
c = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(c)


def _write(folder, *records, name="run-abc.wandb"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(c.wandb_file(*records))
    return path


def _curves(path):
    return c.curves(c.parse(WandbOffline, path).records)


def test_rows_have_the_step_of_the_call_and_the_epoch(tmp_path):
    rows = [c.history(n, loss=1 / (n + 1), epoch=n // 2, _runtime=1.5, _timestamp=1e9) for n in range(4)]
    path = _write(tmp_path, *rows, c.ended(0))
    assert _curves(path) == {("", "", "loss"): [(n, n // 2, 1 / (n + 1)) for n in range(4)]}


def test_the_count_of_optimiser_steps_is_preferred_where_it_is_logged(tmp_path):
    rows = [c.history(n, **{"train/loss": 1.0, "trainer/global_step": 50 * n}) for n in range(4)]
    odd = c.history(4, **{"val/loss": 2.0})
    assert _curves(_write(tmp_path, *rows, odd, c.ended(0))) == {
        ("", "", "train/loss"): [(50 * n, None, 1.0) for n in range(4)],
        ("", "", "val/loss"): [(None, None, 2.0)],
    }


def test_nested_numbers_are_read_and_media_are_not(tmp_path):
    row = c.history(
        0,
        val__auc=0.5,
        hist___type="histogram",
        hist__values=[1, 2],
        hist__size=3,
        text="x",
        flag=True,
        none=None,
    )
    whole = c.history(1, val={"auc": 0.6, "image": {"_type": "image-file", "size": 9}})
    found = _curves(_write(tmp_path, row, whole, c.ended(0)))
    assert found == {("", "", "val.auc"): [(0, None, 0.5), (1, None, 0.6)]}


def test_what_json_cannot_say_is_read_as_it_is_written(tmp_path):
    values = [math.nan, math.inf, -math.inf, "NaN", "Infinity", "-Infinity"]
    path = _write(tmp_path, *(c.history(n, loss=v) for n, v in enumerate(values)), c.ended(0))
    assert [repr(v) for _, _, v in _curves(path)["", "", "loss"]] == ["nan", "inf", "-inf"] * 2


def test_typed_values_of_newer_versions(tmp_path):
    def item(key, *value):
        return (1, c.message((1, key), value))

    row = c.message(
        item("loss", 6, 0.1),
        item("count", 5, 6),  # zigzag
        item("below", 5, 5),
        item("text", 7, "nan"),
        item("flag", 4, 1),
        item("none", 3, 0),
        item("json", 8, '{"a": 1}'),
        (2, c.message((1, 5))),
    )
    assert _curves(_write(tmp_path, c.message((2, row)), c.ended(0))).keys() == {
        ("", "", k) for k in ("loss", "count", "below", "text", "json.a")
    }
    values = {k[2]: v[0] for k, v in _curves(tmp_path).items()}
    assert values["loss"] == (5, None, 0.1)
    assert (values["count"][2], values["below"][2]) == (3, -3)


def test_records_over_several_blocks(tmp_path):
    rows = []
    for n in range(40):
        rows += [c.message((26, "x" * (n * 1777))), c.history(n, loss=n)]
    path = _write(tmp_path, *rows, c.ended(0))
    assert path.stat().st_size > 20 * 32_768
    assert [v for _, _, v in _curves(path)["", "", "loss"]] == list(range(40))


@given(st.lists(st.integers(0, 70_000), max_size=12))
def test_every_row_is_found_wherever_blocks_end(tmp_path_factory, sizes):
    rows = []
    for n, size in enumerate(sizes):
        rows += [c.message((26, bytes(size))), c.history(n, loss=n)]
    path = _write(tmp_path_factory.mktemp("run"), *rows, c.ended(0))
    assert [r.values["loss"] for r in c.parse(WandbOffline, path).records] == list(range(len(sizes)))


def test_a_run_without_rows_is_read_by_what_it_printed(tmp_path):
    lines = [f"epoch {n} train_loss: {1 / (n + 1):.3f} val_auc: 0.5{n}" for n in range(5)]
    pieces = [piece for line in lines for piece in (line[:9], line[9:], "\n")]
    error = ["Traceback (most recent call last):\n", '  File "a.py", line 1\n', "ValueError: wrong\n"]
    path = _write(tmp_path, *(c.printed(p) for p in (*pieces, *error)), c.ended(1))
    parsed = c.parse(WandbOffline, path)
    assert [(r.epoch, r.values["train_loss"]) for r in parsed.records] == [
        (n, round(1 / (n + 1), 3)) for n in range(5)
    ]
    assert "ValueError: wrong" in parsed.crash
    assert "printed" in parsed.notes[0]


@pytest.mark.parametrize(("code", "crash"), [(0, False), (1, True), (None, True)])
def test_the_printed_lines_tell_how_a_run_with_rows_ended(tmp_path, code, crash):
    text = "loss: 0.5\nTraceback (most recent call last):\n  File 'a'\nValueError: wrong\n"
    end = [] if code is None else [c.ended(code)]
    path = _write(tmp_path, *(c.history(n, loss=n) for n in range(3)), c.printed(text, number=4), *end)
    parsed = c.parse(WandbOffline, path)
    assert len(parsed.records) == 3
    assert ("ValueError" in parsed.crash) == crash
    assert not parsed.notes


def test_a_folder_of_runs(tmp_path):
    for name in ("offline-run-1-a", "run-2-b"):
        _write(tmp_path / "wandb" / name, c.history(0, loss=1.0), c.ended(0))
    assert set(_curves(tmp_path)) == set(_curves(tmp_path / "wandb"))
    assert {k[0] for k in _curves(tmp_path)} == {"offline-run-1-a", "run-2-b"}
    assert {k[0] for k in _curves(tmp_path / "wandb" / "run-2-b")} == {""}


def test_rows_of_the_time_before_run_files(tmp_path):
    rows = [
        {"loss": 1.0 - n, "val": {"auc": 0.5}, "epoch": n, "_step": 10 * n, "_runtime": 3} for n in range(3)
    ]
    text = "\n".join(map(json.dumps, rows)) + '\n{"loss": 1'
    (tmp_path / "wandb-history.jsonl").write_text(text)
    parsed = c.parse(WandbOffline, tmp_path)
    assert parsed.unread == 1
    assert c.curves(parsed.records) == {
        ("", "", "loss"): [(10 * n, n, 1.0 - n) for n in range(3)],
        ("", "", "val.auc"): [(10 * n, n, 0.5) for n in range(3)],
    }


@pytest.mark.parametrize("lost", range(1, 60, 3))
def test_a_run_that_is_still_going_ends_in_half_a_record(tmp_path, lost):
    path = _write(tmp_path, *(c.history(n, loss=n) for n in range(6)))
    path.write_bytes(path.read_bytes()[:-lost])
    parsed = c.parse(WandbOffline, path)
    assert len(parsed.records) in {4, 5}
    assert not parsed.notes


def test_a_damaged_record_is_left_out_and_told(tmp_path):
    path = _write(tmp_path, *(c.history(n, loss=n) for n in range(6)), c.ended(0))
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    parsed = c.parse(WandbOffline, path)
    assert len(parsed.records) < 6
    assert "damaged" in parsed.notes[0]


def test_damage_does_not_reach_beyond_its_block(tmp_path):
    rows = [row for n in range(20) for row in (c.history(n, loss=n), c.message((26, bytes(9_000))))]
    path = _write(tmp_path, *rows, c.ended(0))
    data = bytearray(path.read_bytes())
    data[40_000] ^= 0xFF
    path.write_bytes(data)
    read = [r.values["loss"] for r in c.parse(WandbOffline, path).records]
    assert read[:3] == [0, 1, 2]
    assert read[-10:] == list(range(10, 20))


def test_broken_bytes_never_raise_anything_but_an_input_error(tmp_path):
    rows = [c.history(n, loss=n, val={"a": [1]}) for n in range(5)]
    path = _write(tmp_path, *rows, c.printed("epoch 1 loss: 0.5\n"), c.ended(1))
    for broken in c.mutations(path.read_bytes(), 400):
        c.survives(WandbOffline, path, broken)


def test_broken_records_under_right_checksums(tmp_path):
    path = tmp_path / "run-abc.wandb"
    record = c.history(3, loss=0.5, val={"a": 1})
    for broken in c.mutations(record, 500):
        c.survives(WandbOffline, path, c.wandb_file(broken, c.printed("loss: 1\n")))
    deep = c.message((2, c.message((1, c.message((1, "x"), (16, "[" * 100_000))))))
    c.survives(WandbOffline, path, c.wandb_file(deep))


def test_files_by_wandb(tmp_path):
    pytest.importorskip("wandb")
    script = (
        "import wandb\n"
        "run = wandb.init(mode='offline', project='p', dir='.')\n"
        "for n in range(20):\n"
        "    run.log({'train/loss': 1 / (n + 1), 'epoch': n, 'deep': {'auc': 0.5}, 'bad': float('nan'),\n"
        "             'hist': wandb.Histogram([1, 2, 3])})\n"
        "run.finish()\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    found = _curves(tmp_path)
    assert set(found) == {("", "", key) for key in ("train/loss", "deep.auc", "bad")}
    assert found["", "", "train/loss"] == [(n, n, 1 / (n + 1)) for n in range(20)]
    assert all(math.isnan(v) for _, _, v in found["", "", "bad"])
