import importlib.util
import math
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.mlflow_files import MlflowFiles
from imbalance_doctor.sources.logs.mlflow_sqlite import MlflowSqlite

_SPEC = importlib.util.spec_from_file_location("containers", Path(__file__).with_name("containers.py"))
c = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(c)

SHARED = Path(__file__).parents[4] / "shared" / "logs" / "mlflow_filestore"
LOSSES = "".join(f"{1_700_000_000_000 + n} {1 / (n + 1)} {n}\n" for n in range(5))


def _curves(reader, path):
    return c.curves(c.parse(reader, path).records)


def _run(folder, **metrics):
    """Write a run as MLflow lays it out; `__` in a name is a slash."""
    for name, text in metrics.items():
        path = folder / "metrics" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "params").mkdir(parents=True)
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "meta.yaml").write_text("run_id: x\nrun_name: 'nice-bass-1'\nstatus: 3\n")
    return folder


def test_a_run_with_nested_keys(tmp_path):
    run = _run(tmp_path, train__loss=LOSSES, val__auc=LOSSES)
    assert _curves(MlflowFiles, run) == {
        ("", "", key): [(n, None, 1 / (n + 1)) for n in range(5)] for key in ("train/loss", "val/auc")
    }


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("{t} {v}", None),
        ("{t} {v} {s}", "s"),
        ("{t} {v} {s} 0123abcd", "s"),
        ("{t} {v} {s} data 77aa", "s"),
        ("{t} {v} {s} 0123abcd data 77aa", "s"),
    ],
)
def test_lines_of_every_version(tmp_path, line, step):
    text = "\n".join(line.format(t=1000 + n, v=0.5 * n, s=10 * n) for n in range(4))
    run = _run(tmp_path, loss=text)
    expected = [(10 * n if step else None, None, 0.5 * n) for n in range(4)]
    assert _curves(MlflowFiles, run) == {("", "", "loss"): expected}


def test_what_is_no_number_and_lines_without_sense(tmp_path):
    run = _run(tmp_path, loss="1 nan 0\n2 inf 1\n3 -Infinity 2\n\nhello\n4 x 3\n5 0.5 4\n")
    parsed = c.parse(MlflowFiles, run)
    assert [repr(r.values["loss"]) for r in parsed.records] == ["nan", "inf", "-inf", "0.5"]
    assert parsed.unread == 2


def test_runs_of_a_store_are_groups_by_name_and_id(tmp_path):
    for name in ("aaaaaaaa11", "bbbbbbbb22"):
        _run(tmp_path / "mlruns" / "0" / name, loss=LOSSES)
    _run(tmp_path / "mlruns" / "0" / "models" / "m-1", loss=LOSSES)
    expected = {"nice-bass-1 aaaaaaaa", "nice-bass-1 bbbbbbbb"}
    for place in (tmp_path, tmp_path / "mlruns"):
        assert {k[0] for k in _curves(MlflowFiles, place)} == expected
    assert {k[0] for k in _curves(MlflowFiles, tmp_path / "mlruns" / "0" / "aaaaaaaa11")} == {""}


def test_other_folders_are_left_to_others(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "loss").write_text(LOSSES)
    assert not MlflowFiles.recognises(c.log_file(tmp_path))


def test_links_in_a_store_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(LOSSES)
    run = _run(tmp_path / "run", loss=LOSSES)
    (run / "metrics" / "linked").symlink_to(secret)
    assert set(_curves(MlflowFiles, run)) == {("", "", "loss")}


def test_broken_metric_files_never_raise(tmp_path):
    run = _run(tmp_path, loss=LOSSES)
    path = run / "metrics" / "loss"
    for broken in c.mutations(LOSSES.encode(), 300):
        path.write_bytes(broken)
        list(MlflowFiles.read(c.log_file(run), Options()).records)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared logs are not here")
def test_a_real_store():
    for folder in SHARED.iterdir():
        found = _curves(MlflowFiles, folder)
        for path in folder.rglob("metrics/*"):
            rows = [line.split() for line in path.read_text().splitlines()]
            read = found["", "", path.name]
            assert [v for _, _, v in read] == [float(v) for _, v, _ in rows]
            if len(rows) > 1:
                assert [s for s, _, _ in read] == [float(s) for _, _, s in rows]


# the database

SCHEMA = (
    "CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,"
    " run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL,"
    " CONSTRAINT metric_pk PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));"
    "CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250));"
)


def _database(path, rows=(), schema=SCHEMA, runs=()):
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(schema)
        database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.executemany("INSERT INTO runs VALUES (?, ?)", runs)
        database.commit()
    return path


def _rows(run="r1", key="loss", count=5):
    return [(key, 1 / (n + 1), 1_700_000_000_000 + n, run, n, 0) for n in range(count)]


def test_a_database_of_one_run(tmp_path):
    path = _database(tmp_path / "mlflow.db", [*_rows(), *_rows(key="val/auc")])
    assert _curves(MlflowSqlite, path) == {
        ("", "", key): [(n, None, 1 / (n + 1)) for n in range(5)] for key in ("loss", "val/auc")
    }


def test_marks_for_what_is_no_number(tmp_path):
    largest = 1.7976931348623157e308
    values = [(0.0, 1), (largest, 0), (-largest, 0), (1.7e308, 0)]
    rows = [("loss", v, 1000 + n, "r", n, nan) for n, (v, nan) in enumerate(values)]
    read = [v for _, _, v in _curves(MlflowSqlite, _database(tmp_path / "x.db", rows))["", "", "loss"]]
    assert math.isnan(read[0])
    assert read[1:] == [math.inf, -math.inf, 1.7e308]


def test_runs_of_a_database_are_groups(tmp_path):
    rows = [*_rows("aaaaaaaaaa"), *_rows("bbbbbbbbbb")]
    path = _database(tmp_path / "x.db", rows, runs=[("aaaaaaaaaa", "nice")])
    assert {k[0] for k in _curves(MlflowSqlite, path)} == {"nice aaaaaaaa", "bbbbbbbb"}


def test_a_database_of_something_else_says_so(tmp_path):
    path = _database(
        tmp_path / "x.db",
        schema="CREATE TABLE a (b); CREATE TABLE metrics (a,b,c,d,e,f); CREATE TABLE runs (a,b)",
    )
    parsed = c.parse(MlflowSqlite, path)
    assert "SQLite" in parsed.instead
    assert not parsed.records


def test_a_database_and_a_store_without_metrics_say_so(tmp_path):
    assert "without metrics" in c.parse(MlflowSqlite, _database(tmp_path / "x.db")).instead
    assert "without metrics" in c.parse(MlflowFiles, _run(tmp_path / "run")).instead


def test_a_view_in_place_of_the_table_is_not_run(tmp_path):
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE VIEW metrics AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT 'loss' key, i value, i timestamp, 'r' run_uuid, i step, 0 is_nan FROM n"
        )
        database.commit()
    assert c.parse(MlflowSqlite, path).instead


def test_cells_of_other_types_are_passed_over(tmp_path):
    rows = [
        *_rows(),
        (b"blob", 1.0, 1, "r1", 0, 0),
        ("text", "words", 1, "r1", 0, 0),
        ("big", 2**62, 1, "r1", 2**62, 0),
        ("late", 1.0, "yesterday", "r1", "one", 0),
    ]
    found = _curves(MlflowSqlite, _database(tmp_path / "x.db", rows))
    assert {k[2] for k in found} == {"loss", "big", "late"}


def test_rows_not_yet_in_the_database_are_told(tmp_path):
    path = _database(tmp_path / "x.db", _rows())
    (tmp_path / "x.db-wal").write_bytes(b"")
    assert "-wal" in c.parse(MlflowSqlite, path).notes[0]


def test_reading_leaves_no_trace(tmp_path):
    path = _database(tmp_path / "x.db", _rows())
    before = path.read_bytes()
    path.chmod(0o444)
    c.parse(MlflowSqlite, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.db"]


@pytest.mark.parametrize("size", [100, 5000, 12_287])
def test_a_cut_database_is_an_input_error(tmp_path, size):
    path = _database(tmp_path / "x.db", _rows(count=100))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match="SQLite"):
        c.parse(MlflowSqlite, path)


def test_broken_databases_never_raise_anything_but_an_input_error(tmp_path):
    path = _database(tmp_path / "x.db", [*_rows(count=60), *_rows("r2")], runs=[("r1", "a")])
    data = path.read_bytes()
    chance = random.Random(1)  # noqa: S311
    for broken in c.mutations(data, 200):
        c.survives(MlflowSqlite, path, broken)
    # single bytes in the pages that are used: headers, cell pointers, the schema
    for _ in range(400):
        flipped = bytearray(data)
        for _ in range(3):
            flipped[chance.choice([chance.randrange(100, len(data)), chance.randrange(100, 1200)])] = (
                chance.randrange(256)
            )
        c.survives(MlflowSqlite, path, bytes(flipped))


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b/ü"]), st.floats(-1e300, 1e300), st.integers(0, 10**12)),
        unique_by=lambda row: row[2],
    )
)
def test_both_stores_give_what_was_stored(tmp_path_factory, points):
    folder = tmp_path_factory.mktemp("store")
    texts = {}
    for n, (key, value, step) in enumerate(points):
        texts[key] = texts.get(key, "") + f"{1000 + n} {value!r} {step}\n"
    run = _run(folder / "run", **{k.replace("/", "__"): t for k, t in texts.items()})
    rows = [(key, value, 1000 + n, "r", step, 0) for n, (key, value, step) in enumerate(points)]
    database = _database(folder / "x.db", rows)
    expected = sorted((k, v) for k, v, _ in points)
    read = _curves(MlflowSqlite, database)
    assert sorted((k[2], v) for k, curve in read.items() for _, _, v in curve) == expected
    if points:
        assert _curves(MlflowFiles, run) == read


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_stores_by_mlflow(tmp_path, kind):
    pytest.importorskip("mlflow")
    if kind == "sqlite":
        pytest.importorskip("sqlalchemy")
        pytest.importorskip("alembic")
    place = tmp_path / ("mlruns" if kind == "file" else "mlflow.db")
    script = (
        "import mlflow, sys\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "mlflow.set_experiment('e')\n"
        "with mlflow.start_run():\n"
        "    for n in range(12):\n"
        "        mlflow.log_metric('val/loss', 1 / (n + 1), step=n)\n"
        "        mlflow.log_metric('auc', {2: float('nan'), 3: float('inf')}.get(n, 0.5), step=n)\n"
        "    mlflow.log_metric('final', 0.25)\n"
    )
    uri = place.as_uri() if kind == "file" else f"sqlite:///{place}"
    subprocess.run(
        [sys.executable, "-c", script, uri],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env={"MLFLOW_ALLOW_FILE_STORE": "true", "PATH": "/usr/bin:/bin"},
    )
    found = _curves(MlflowFiles if kind == "file" else MlflowSqlite, place)
    assert found["", "", "val/loss"] == [(n, None, 1 / (n + 1)) for n in range(12)]
    assert [repr(v) for _, _, v in found["", "", "auc"]] == ["0.5", "0.5", "nan", "inf", *["0.5"] * 8]
    assert found["", "", "final"] == [(11, None, 0.25)]
