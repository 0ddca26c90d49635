import importlib.util
import io
import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs import _archive
from imbalance_doctor.sources.logs.base import LogFile, Options
from imbalance_doctor.sources.logs.clearml_offline import ClearmlOffline
from imbalance_doctor.sources.logs.comet_offline import CometOffline
from imbalance_doctor.sources.logs.exports import Exports

_SPEC = importlib.util.spec_from_file_location("containers", Path(__file__).with_name("containers.py"))
c = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(c)


def _lines(rows):
    return "\n".join(map(json.dumps, rows)) + "\n"


def _zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return stream.getvalue()


def _both(reader, tmp_path, members):
    """Read the members as an archive and as a folder; both must give the same."""
    path = tmp_path / "session.zip"
    path.write_bytes(_zipped(members))
    folder = tmp_path / "session"
    folder.mkdir()
    for name, text in members.items():
        (folder / name).write_text(text)
    zipped, plain = c.parse(reader, path), c.parse(reader, folder)
    assert repr(zipped) == repr(plain)
    return zipped


# Comet


def _metric(name, value, context=None, **place):
    payload = {"local_timestamp": 1, "metric": {"metricName": name, "metricValue": value, **place}}
    return {"type": "metric_msg", "payload": payload | ({"context": context} if context else {})}


def _comet(*messages):
    return {"experiment.json": "{}", "messages.json": _lines(messages)}


def test_comet_metrics_by_context(tmp_path):
    messages = [{"type": "param", "payload": {"param": {"paramName": "lr", "paramValue": 0.1}}}]
    for n in range(4):
        messages.append(_metric("loss", 1 / (n + 1), step=10 * n, epoch=n))
        messages.append(_metric("auc", "NaN" if n == 2 else 0.5, "validate", step=10 * n, epoch=n))
        messages.append(_metric("auc", 0.4, "test", step=10 * n, epoch=n))
        messages.append(_metric("loss", 0.3, "train", step=10 * n, epoch=n))
    found = c.curves(_both(CometOffline, tmp_path, _comet(*messages)).records)
    assert set(found) == {("", "", "loss"), ("", "val", "auc"), ("", "", "test/auc"), ("", "train", "loss")}
    assert found["", "", "loss"] == [(10 * n, n, 1 / (n + 1)) for n in range(4)]
    assert math.isnan(found["", "val", "auc"][2][2])


def test_comet_lines_without_sense(tmp_path):
    odd = [
        1,
        [],
        {},
        {"payload": 3},
        {"payload": {"metric": []}},
        _metric(3, 1.0),
        _metric("a", "x"),
        _metric("a", None),
    ]
    members = _comet(*odd, _metric("loss", 0.5, step="x", epoch=[1]))
    members["messages.json"] += '{"type": "metr'
    parsed = _both(CometOffline, tmp_path, members)
    assert [dict(r.values) for r in parsed.records] == [{"loss": 0.5}]
    assert parsed.unread == 1


# ClearML


def _event(metric, variant, value, iteration):
    return {"type": "training_stats_scalar", "timestamp": 1000 + iteration, "iter": iteration,
            "metric": metric, "variant": variant, "value": value}  # fmt: skip


def test_clearml_scalars(tmp_path):
    batches = [
        [
            _event("loss", "train", 1 / (n + 1), n),
            _event("loss", "val", math.nan, n),
            _event("lr", "lr", 0.1, n),
            _event(":monitor:machine", "cpu", 3.0, n),
        ]
        for n in range(4)
    ]
    batches.append([_event("Summary", "best", 0.9, -(2**31)), {"type": "plot"}, 5])
    parsed = _both(
        ClearmlOffline, tmp_path, {"task.json": "{}", "metrics.jsonl": _lines(batches), "log.jsonl": ""}
    )
    found = c.curves(parsed.records)
    assert set(found) == {("", "", "loss/train"), ("", "", "loss/val"), ("", "", "lr")}
    assert found["", "", "loss/train"] == [(n, None, 1 / (n + 1)) for n in range(4)]
    assert all(math.isnan(v) for _, _, v in found["", "", "loss/val"])


def test_a_clearml_session_without_scalars_is_read_by_what_it_printed(tmp_path):
    batches = [[{"type": "log", "msg": f"epoch {n} train_loss: {0.5 - n / 10:.1f}"}] for n in range(4)]
    batches.append(
        [{"type": "log", "msg": "Traceback (most recent call last):\n  File 'a'\nValueError: wrong"}]
    )
    parsed = _both(ClearmlOffline, tmp_path, {"task.json": "{}", "log.jsonl": _lines(batches)})
    assert [(r.epoch, r.values["train_loss"]) for r in parsed.records] == [
        (0, 0.5),
        (1, 0.4),
        (2, 0.3),
        (3, 0.2),
    ]
    assert "ValueError" in parsed.crash


@pytest.mark.parametrize(
    ("reader", "members"),
    [(CometOffline, _comet()), (ClearmlOffline, {"task.json": "{}", "metrics.jsonl": ""})],
)
def test_sessions_without_metrics_say_so(tmp_path, reader, members):
    assert "without" in _both(reader, tmp_path, members).instead


# archives from strangers


COMET = _comet(*(_metric("loss", n, step=n) for n in range(20)))
CLEARML = {
    "task.json": "{}",
    "metrics.jsonl": _lines([[_event("a", "b", n, n)] for n in range(20)]),
    "log.jsonl": _lines([[{"msg": "loss: 1"}]]),
}


@pytest.mark.parametrize(
    ("reader", "members", "name"),
    [(CometOffline, COMET, "messages.json"), (ClearmlOffline, CLEARML, "metrics.jsonl")],
)
def test_broken_archives_never_raise_anything_but_an_input_error(tmp_path, reader, members, name):
    path = tmp_path / "x.zip"
    for broken in c.mutations(_zipped(members), 400):
        c.survives(reader, path, broken)
    for broken in c.mutations(members[name].encode(), 300):
        c.survives(reader, path, _zipped({**members, name: broken}))


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    path.write_bytes(_zipped(_comet() | {"messages.json": bytes(2_000_000)}))
    assert not c.parse(CometOffline, path).records
    monkeypatch.setattr(_archive, "_LARGE", 1_000_000)
    with pytest.raises(InputError, match="zip bomb"):
        c.parse(CometOffline, path)


def test_an_endless_line_is_passed_over(tmp_path):
    members = _comet(
        _metric("loss", 1.0, step=0), _metric("x" * 5_000_000, 1.0), _metric("loss", 2.0, step=1)
    )
    found = c.curves(_both(CometOffline, tmp_path, members).records)
    assert found == {("", "", "loss"): [(0, None, 1.0), (1, None, 2.0)]}


@pytest.mark.parametrize("reader", [CometOffline, ClearmlOffline])
def test_other_archives_and_streams_are_left_to_others(tmp_path, reader):
    path = tmp_path / "x.zip"
    path.write_bytes(_zipped({"a.txt": "loss: 1"}))
    assert not reader.recognises(c.log_file(path))
    assert not reader.recognises(LogFile(path=None, name="-", head=path.read_bytes()))
    path.write_bytes(b"PK\x03\x04 and no archive")
    assert not reader.recognises(c.log_file(path))


# written by the libraries themselves


def _made_by(script, folder):
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    subprocess.run(
        [sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, env=environment
    )


def test_archives_by_comet(tmp_path):
    pytest.importorskip("comet_ml")
    script = (
        "import comet_ml\n"
        "run = comet_ml.OfflineExperiment(project_name='p', workspace='w', offline_directory='.',\n"
        "    auto_output_logging=False, log_env_details=False, log_git_metadata=False, log_code=False)\n"
        "for n in range(12):\n"
        "    run.log_metric('loss', 1 / (n + 1), step=10 * n, epoch=n)\n"
        "    with run.validate():\n"
        "        run.log_metric('auc', float('nan') if n == 2 else 0.5, step=10 * n, epoch=n)\n"
        "run.end()\n"
    )
    _made_by(script, tmp_path)
    (path,) = tmp_path.glob("*.zip")
    found = c.curves(c.parse(CometOffline, path).records)
    assert found["", "", "loss"] == [(10 * n, n, 1 / (n + 1)) for n in range(12)]
    assert [math.isnan(v) for _, _, v in found["", "val", "auc"]] == [n == 2 for n in range(12)]


def test_archives_by_clearml(tmp_path):
    pytest.importorskip("clearml")
    script = (
        "from clearml import Task\n"
        "Task.set_offline(True)\n"
        "task = Task.init(project_name='p', task_name='t', auto_connect_frameworks=False)\n"
        "for n in range(12):\n"
        "    task.get_logger().report_scalar('loss', 'train', value=1 / (n + 1), iteration=n)\n"
        "    task.get_logger().report_scalar('auc', 'val', value=0.5, iteration=n)\n"
        "task.get_logger().report_single_value('best', 0.9)\n"
        "task.close()\n"
    )
    _made_by(script, tmp_path)
    (path,) = tmp_path.rglob("offline*.zip")
    found = c.curves(c.parse(ClearmlOffline, path).records)
    assert set(found) == {("", "", "loss/train"), ("", "", "auc/val")}
    assert found["", "", "loss/train"] == [(n, None, 1 / (n + 1)) for n in range(12)]


# stores that only their own tool reads


@pytest.mark.parametrize(("store", "says"), [(".aim", "Aim"), (".neptune", "Neptune")])
def test_a_store_of_another_tool_says_how_to_export_it(tmp_path, store, says):
    (tmp_path / store).mkdir()
    for place in (tmp_path, tmp_path / store):
        assert Exports.recognises(c.log_file(place))
        parsed = Exports.read(c.log_file(place), Options())
        assert says in parsed.instead
        assert parsed.notes
    (tmp_path / "train.log").write_text("loss: 1")
    assert not Exports.recognises(c.log_file(tmp_path))
