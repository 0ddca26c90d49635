import importlib.util
import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.catboost_info import CatboostInfo

_SPEC = importlib.util.spec_from_file_location("containers", Path(__file__).with_name("containers.py"))
c = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(c)

LEARN = "iter\tLogloss\n0\t0.6\n1\t0.5\n2\t0.4\n"
TEST = "iter\tAUC\tLogloss\n0\t0.7\t0.65\n1\t0.8\t0.6\n2\t0.9\t0.62\n"
DOCUMENT = {
    "meta": {
        "test_sets": ["test"],
        "learn_sets": ["learn"],
        "learn_metrics": [{"name": "Logloss", "best_value": "Min"}],
        "test_metrics": [{"name": "AUC", "best_value": "Max"}, {"name": "Logloss", "best_value": "Min"}],
    },
    "iterations": [
        {"iteration": n, "learn": [0.6 - n / 10], "test": [0.7, 0.65], "passed_time": 1.0} for n in range(3)
    ],
}


def _write(folder, **texts):
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / (name + (".json" if name.endswith("training") else ".tsv"))).write_text(text)
    return folder


def _curves(path):
    return c.curves(c.parse(CatboostInfo, path).records)


def test_both_tables_are_one_run(tmp_path):
    folder = _write(
        tmp_path / "catboost_info", learn_error=LEARN, test_error=TEST, time_left="iter\tPassed\n0\t1\n"
    )
    expected = {
        ("", "train", "Logloss"): [(0, None, 0.6), (1, None, 0.5), (2, None, 0.4)],
        ("", "val", "AUC"): [(0, None, 0.7), (1, None, 0.8), (2, None, 0.9)],
        ("", "val", "Logloss"): [(0, None, 0.65), (1, None, 0.6), (2, None, 0.62)],
    }
    assert _curves(folder) == expected
    assert _curves(tmp_path) == expected
    # in the order of the iterations, whatever the table
    assert [r.step for r in c.parse(CatboostInfo, folder).records] == [0, 0, 1, 1, 2, 2]


@given(st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)))
def test_tables_of_different_iterations_are_merged_by_iteration(tmp_path_factory, learn, test):
    folder = _write(
        tmp_path_factory.mktemp("run"),
        learn_error="iter\tLogloss\n" + "".join(f"{n}\t0.5\n" for n in sorted(learn)),
        test_error="iter\tLogloss\n" + "".join(f"{n}\t0.6\n" for n in sorted(test)),
    )
    read = [(r.step, r.phase) for r in c.parse(CatboostInfo, folder).records]
    assert read == sorted([*product(learn, ["train"]), *product(test, ["val"])])


def test_test_data_alone(tmp_path):
    assert {k[1] for k in _curves(_write(tmp_path, test_error=TEST))} == {"val"}


def test_the_first_of_several_test_sets_is_the_validation(tmp_path):
    text = "iter\tAUC:0\tAUC:1\tAUC\n0\t0.1\t0.2\t0.3\n"
    parsed = c.parse(CatboostInfo, _write(tmp_path, learn_error=LEARN, test_error=text))
    assert c.curves(parsed.records)["", "val", "AUC"] == [(0, None, 0.1)]
    assert "several test sets" in parsed.notes[0]


def test_the_document_is_read_where_the_tables_are_missing(tmp_path):
    folder = _write(tmp_path, catboost_training=json.dumps(DOCUMENT))
    assert _curves(folder) == {
        ("", "train", "Logloss"): [(n, None, 0.6 - n / 10) for n in range(3)],
        ("", "val", "AUC"): [(n, None, 0.7) for n in range(3)],
        ("", "val", "Logloss"): [(n, None, 0.65) for n in range(3)],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "JSON"), ("[]", "meta and iterations"), ('{"meta": {}}', "meta and"), ("[" * 10**5, "JSON")],
)
def test_another_document_is_an_input_error(tmp_path, text, says):
    folder = _write(tmp_path, catboost_training=text)
    with pytest.raises(InputError, match=says):
        c.parse(CatboostInfo, folder)


def test_a_row_cut_off_is_counted(tmp_path):
    parsed = c.parse(CatboostInfo, _write(tmp_path, learn_error=LEARN + "3\tx\n\n"))
    assert len(parsed.records) == 3
    assert parsed.unread == 2


def test_broken_bytes_never_raise_anything_but_an_input_error(tmp_path):
    for name, text in (("learn_error.tsv", TEST), ("catboost_training.json", json.dumps(DOCUMENT))):
        folder = tmp_path / name
        folder.mkdir()
        for broken in c.mutations(text.encode(), 300):
            (folder / name).write_bytes(broken)
            try:
                list(CatboostInfo.read(c.log_file(folder), Options()).records)
            except InputError as error:
                # a table is read line by line; only a document can be no document
                if not name.endswith("json"):
                    raise AssertionError(broken) from error


def test_folders_by_catboost(tmp_path):
    catboost = pytest.importorskip("catboost")
    rows = [[n % 7, n % 3] for n in range(200)]
    labels = [int(n % 5 == 0) for n in range(200)]
    model = catboost.CatBoostClassifier(
        iterations=8, custom_metric=["AUC:hints=skip_train~false"], train_dir=str(tmp_path), verbose=0
    )
    model.fit(rows[:150], labels[:150], eval_set=(rows[150:], labels[150:]))
    stated = {
        ("", phase, key): values
        for phase, name in (("train", "learn"), ("val", "validation"))
        for key, values in model.get_evals_result()[name].items()
    }
    from_tables = _curves(tmp_path)
    for path in tmp_path.glob("*_error.tsv"):
        path.unlink()
    for found in (from_tables, _curves(tmp_path)):
        assert set(found) == set(stated)
        for key, rows in found.items():
            assert [v for _, _, v in rows] == pytest.approx(stated[key], abs=1e-9)
