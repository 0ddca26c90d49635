import csv
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import SERIES
from imbalance_doctor.lab import dialects
from imbalance_doctor.lab.base import Draw
from imbalance_doctor.lab.dialects import DIALECTS, usable, write_log
from imbalance_doctor.lab.dialects._names import _STEMS, STYLES, name_columns
from imbalance_doctor.lab.dialects.base import Log
from imbalance_doctor.sources.logs import read_logs
from imbalance_doctor.sources.logs._keys import ABSOLUTE, canonical

TRAIN = ["loss", "average_precision", *(n for n in _STEMS if n in ABSOLUTE), "loss_mean", "gradient_norm"]
TRAIN += ["loss_std", "loss_zero_share", "tau_eff", "rank_loss_std", "rank_loss_min", "rank_loss_max"]
VAL = ["loss", "average_precision", "roc_auc", "recall_at_quantile", "predicted_positive_share"]
COLUMNS = list(dict.fromkeys([f"train.{n}" for n in TRAIN] + [f"val.{n}" for n in VAL]))
SHARES = {"average_precision", "roc_auc", "recall_at_quantile", "predicted_positive_share", "loss_zero_share"}
COUNTS = {"pool_size", "queue_fill", "queue_positives"}


def _rows(seed, count=12, columns=COLUMNS, every=10):
    """Return a run of every column, some of which begin late as the queue's do."""
    g = np.random.default_rng(seed)
    rows = []
    for i in range(1, count + 1):
        row = {"step": i * every, "epoch": i * every * 128 / 3600}
        for column in columns:
            name = column.partition(".")[2]
            if i == 1 and name.startswith("queue"):
                continue
            if name in COUNTS:
                row[column] = int(g.integers(1, 4000))
            elif name == "stage":
                row[column] = 0 if i < 4 else 2
            else:
                row[column] = float(g.uniform(0.02, 0.98 if name in SHARES else 8))
        rows.append(row)
    return rows


def _read(path):
    readings = read_logs([str(path)])
    (run,) = [run for reading in readings for run in reading.runs]
    return run


def _series(run, column):
    phase, _, name = column.partition(".")
    if name in ABSOLUTE:
        return run.get(name, "")
    found = run.get(name, phase)
    return found if found or name not in {"gradient_norm", "predicted_positive_share"} else run.get(name, "")


def _check(rows, run, dialect):
    for column in COLUMNS:
        if not DIALECTS[dialect].carries(column):
            continue
        series = _series(run, column)
        assert series is not None, column
        stated = [row for row in rows if column in row]
        wanted = np.array([row[column] for row in stated], dtype=float)
        # four digits are the fewest: half a unit of the fourth, of a decimal or of a digit
        np.testing.assert_allclose(
            series.values, wanted, rtol=5.1e-4, atol=5.1e-5, equal_nan=True, err_msg=column
        )
        if run.axis == "step":
            shift = 1 if dialect == "lightning" else 0  # which counts from 0
            assert (series.steps + shift).tolist() == [row["step"] for row in stated]


@pytest.mark.parametrize("dialect", usable())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), planned=st.booleans())
def test_what_is_written_comes_back(tmp_path_factory, dialect, seed, planned):
    rows = _rows(seed)
    plan = {"loss": "smooth-ap", "learning_rate": 0.003, "batch_size": 128} if planned else None
    folder = tmp_path_factory.mktemp("log")
    path = write_log(rows, folder, dialect, Draw("dialect", seed), plan=plan)
    _check(rows, _read(path), dialect)


@pytest.mark.parametrize("dialect", usable())
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_is_no_number_comes_back_as_such(tmp_path, dialect, seed):
    rows = _rows(seed)
    for row in rows[6:]:
        row["train.loss"] = row["val.loss"] = math.nan
    _check(rows, _read(write_log(rows, tmp_path, dialect, Draw(seed))), dialect)


@pytest.mark.parametrize("dialect", [name for name in usable() if name != "progress-bar"])
def test_infinities_keep_their_sign(tmp_path, dialect):
    rows = _rows(0)
    rows[4]["train.gradient_norm"], rows[6]["train.loss"] = math.inf, -math.inf
    _check(rows, _read(write_log(rows, tmp_path, dialect, Draw("infinite"))), dialect)


@pytest.mark.parametrize("dialect", usable())
def test_loss_and_validation_alone_are_enough(tmp_path, dialect):
    columns = ["train.loss", "val.loss", "val.average_precision"]
    for seed in range(4):
        rows = _rows(seed, columns=columns)
        run = _read(write_log(rows, tmp_path / str(seed), dialect, Draw("few", seed)))
        for column in columns:
            assert len(_series(run, column)) == len(rows)


@pytest.mark.parametrize("dialect", usable())
def test_a_draw_is_repeatable(tmp_path, dialect):
    rows = _rows(1)
    texts = []
    for i in range(2):
        write_log(rows, tmp_path / str(i), dialect, Draw("again", 5))
        texts.append(
            {
                p.relative_to(tmp_path / str(i)).as_posix(): p.read_bytes()
                for p in sorted((tmp_path / str(i)).rglob("*"))
                if p.is_file() and "tfevents" not in p.name  # whose header holds the time
            }
        )
    assert texts[0] == texts[1]


@pytest.mark.parametrize("stem", [(name, stem) for name, stems in _STEMS.items() for stem in stems])
def test_every_name_is_understood_in_every_style(stem):
    name, spelt = stem
    for style in STYLES:
        for form, phase in ((style.train, "train"), (style.val, "val")):
            named = canonical(form.format(spelt))
            assert named is not None, form.format(spelt)
            assert (named.name, named.part) == (name, "")
            if form != "{}":
                assert named.phase in {phase, "test"}


def test_names_are_distinct_and_vary():
    drawn = [name_columns(COLUMNS, Draw("names", seed)) for seed in range(40)]
    assert all(len(set(names.values())) == len(COLUMNS) for names in drawn)
    assert len({names["val.average_precision"] for names in drawn}) > 10
    assert any(names["val.average_precision"] in {"ap", "AP", "auprc"} for names in drawn)


def test_a_bare_metric_of_training_needs_its_twin():
    for seed in range(60):
        names = name_columns(["train.loss", "train.average_precision"], Draw("alone", seed))
        named = canonical(names["train.average_precision"])
        assert named is not None
        assert named.phase == "train"


def test_digits_are_as_drawn():
    rows = [
        {
            "step": 1,
            "epoch": 0.1,
            "train.loss": 1 / 3,
            "train.pool_size": 1024,
            "train.learning_rate": 1e-5 / 3,
        }
    ]
    seen = set()
    for seed in range(60):
        log = Log(rows, Draw("digits", seed), STYLES, None)
        named = log.named(rows[0])
        loss = named[log.names["train.loss"]]
        seen.add(len(loss.removeprefix("0.")))
        assert named[log.names["train.pool_size"]] == "1024"
        # a learning rate keeps its digits where losses get a fixed number of decimals
        assert float(named[log.names["train.learning_rate"]]) == pytest.approx(1e-5 / 3, rel=1e-3)
    assert seen == {4, 5, 6, 7, 8}


def test_json_spells_no_number_in_both_ways(tmp_path):
    rows = _rows(0)
    rows[3]["train.loss"] = math.nan
    texts = [
        write_log(rows, tmp_path / str(i), "json-lines", Draw("spelt", i)).read_text() for i in range(12)
    ]
    assert any('"nan"' in text for text in texts)
    assert any("NaN" in text for text in texts)


def test_lightning_writes_training_and_validation_apart(tmp_path):
    path = write_log(_rows(0), tmp_path, "lightning", Draw("apart"))
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        phases = {canonical(key).phase for key, cell in row.items() if cell and canonical(key)}
        assert not {"train", "val"} <= phases


def test_the_trainer_states_where_it_ended(tmp_path):
    rows = _rows(0)
    state = json.loads(write_log(rows, tmp_path, "trainer-state", Draw("state")).read_text())
    assert state["global_step"] == rows[-1]["step"]
    assert len(state["log_history"]) == 2 * len(rows)


def test_a_bar_overwrites_itself_and_drops_what_is_too_long(tmp_path):
    path = write_log(_rows(0), tmp_path, "progress-bar", Draw("bar"))
    text = path.read_bytes().decode()
    assert text.count("\r") == 12
    assert text.count("\n") == 1
    assert not DIALECTS["progress-bar"].carries("train.pool_size")
    assert _read(path).get("pool_size") is None


@pytest.mark.parametrize("dialect", usable())
def test_rows_are_placed_by_step_unless_it_is_dropped(tmp_path, dialect):
    run = _read(write_log(_rows(2), tmp_path, dialect, Draw("placed")))
    assert run.axis == ("epoch" if "the step" in DIALECTS[dialect].drops else "step")


@pytest.mark.parametrize("dialect", usable())
def test_columns_are_dropped_only_where_it_is_said(tmp_path, dialect):
    dropped = [column for column in COLUMNS if not DIALECTS[dialect].carries(column)]
    assert bool(dropped) == DIALECTS[dialect].drops.startswith("all but")


def test_columns_that_nobody_named_keep_their_own_name(tmp_path):
    assert "queue_age" in SERIES
    rows = [row | {"train.queue_age": 8.0 + i} for i, row in enumerate(_rows(0))]
    run = _read(write_log(rows, tmp_path, "csv", Draw("own")))
    assert run.get("queue_age").values.tolist() == [row["train.queue_age"] for row in rows]


@pytest.mark.parametrize(
    ("rows", "dialect", "said"), [([], "csv", "at least one row"), (_rows(0), "cvs", "csv")]
)
def test_bad_input_is_refused(tmp_path, rows, dialect, said):
    with pytest.raises(InputError, match=said):
        write_log(rows, tmp_path, dialect, Draw("bad"))


def test_without_tensorboardx_its_dialect_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "tensorboard" not in dialects.usable()
    with pytest.raises(InputError, match="tensorboardX"):
        write_log(_rows(0), tmp_path, "tensorboard", Draw("missing"))
