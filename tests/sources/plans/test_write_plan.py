"""A written plan reads back as it was, and nothing is overwritten by accident."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LOSSES, PLAN_FIELDS, PlannedRun, TrainingPlan
from imbalance_doctor.sources.plans import example_plan, overlay, plan_from_options, read_plan, write_plan

KINDS = {"int": int, "float": float, "bool": bool, "str": str, "tuple[float, ...]": tuple}


def _value(name):
    spec = PLAN_FIELDS[name]
    meta = spec.metadata
    kind = KINDS[str(spec.type).split(" |")[0]]
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.sampled_from(meta["choices"])
    low, high = meta["low"], meta["high"]
    if kind is int:
        return st.integers(-(2**63) + 1 if low is None else low, 2**63 - 1 if high is None else high)
    numbers = st.floats(
        min_value=low,
        max_value=high,
        exclude_min=meta["low_open"],
        exclude_max=meta["high_open"],
        allow_nan=False,
        allow_infinity=False,
    )
    return numbers if kind is float else st.lists(numbers, min_size=1, max_size=5).map(tuple)


@st.composite
def plans(draw):
    names = draw(st.lists(st.sampled_from(sorted(PLAN_FIELDS)), min_size=1, max_size=25, unique=True))
    values = {name: draw(_value(name)) for name in names}
    try:
        return overlay(PlannedRun(plan=TrainingPlan()), plan_from_options(values)).plan
    except InputError:  # values that do not go together
        return TrainingPlan(gamma=draw(_value("gamma")))


@given(plans(), st.text(max_size=40))
def test_round_trip(tmp_path_factory, plan, header):
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    write_plan(plan, path, header=header)
    (run,) = read_plan(str(path))
    assert run.plan == plan
    assert set(run.where) == set(plan.known())


@pytest.mark.parametrize("loss", LOSSES)
def test_other_readers_see_the_same_types(tmp_path, loss):
    plan = TrainingPlan(
        loss=loss, learning_rate=1e-05, batch_size=64, pretrained=False, class_weights=(1e-7, 2.0)
    )
    if loss == "ce":
        plan = plan.replace(loss="weighted-ce")
    write_plan(plan, tmp_path / "plan.yaml")
    seen = yaml.safe_load((tmp_path / "plan.yaml").read_text(encoding="utf-8"))
    assert seen == {**plan.known(), "class_weights": [1e-7, 2.0]}


def test_header_and_help_are_comments(tmp_path):
    path = tmp_path / "plan.yaml"
    write_plan(TrainingPlan(loss="bce"), path, header="Fraud\nloss: ce\r\x0bx: y\u2028z: 1")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["# Fraud", "# loss: ce  x: y z: 1"]
    assert lines[-1] == "loss: bce  # loss function"


def test_numbers_of_numpy(tmp_path):
    plan = TrainingPlan(batch_size=np.int64(5), gamma=np.float64(0.5))
    write_plan(plan, tmp_path / "plan.yaml")
    assert read_plan(str(tmp_path / "plan.yaml"))[0].plan == TrainingPlan(batch_size=5, gamma=0.5)


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists and is not overwritten"):
        write_plan(TrainingPlan(loss="bce"), path)
    assert path.read_text(encoding="utf-8") == "mine"
    write_plan(TrainingPlan(loss="bce"), path, overwrite=True)
    assert read_plan(str(path))[0].plan.loss == "bce"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.yaml"]


def test_a_link_to_nowhere_is_not_overwritten(tmp_path):
    path = tmp_path / "plan.yaml"
    path.symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(InputError, match="exists and is not overwritten"):
        write_plan(TrainingPlan(loss="bce"), path)
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "plan.yaml"
    write_plan(TrainingPlan(loss="bce"), path)
    assert read_plan(str(path))[0].plan.loss == "bce"
    with pytest.raises(InputError, match="exists and is not overwritten"):
        write_plan(TrainingPlan(loss="ce"), path)
    assert [p.name for p in tmp_path.iterdir()] == ["plan.yaml"]


@pytest.mark.parametrize("name", ["none/plan.yaml", "file/plan.yaml", "folder", "x" * 300])
def test_impossible_places(tmp_path, name):
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for overwrite in (True, False):
        with pytest.raises(InputError):
            write_plan(TrainingPlan(loss="bce"), tmp_path / name, overwrite=overwrite)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    with pytest.raises(InputError):
        write_plan(TrainingPlan(loss="bce"), Path())


@pytest.mark.parametrize(
    "plan",
    [
        TrainingPlan(),
        TrainingPlan(loss="bce", pos_weight=30.0),
        TrainingPlan(gamma=-1.0),
        TrainingPlan(loss="odd"),
    ],
    ids=["empty", "two names", "range", "word"],
)
def test_an_invalid_plan_is_not_written(tmp_path, plan):
    with pytest.raises(ValueError, match=r"expected|read back"):
        write_plan(plan, tmp_path / "plan.yaml")
    assert list(tmp_path.iterdir()) == []


def test_an_example_survives_being_written(tmp_path):
    (tmp_path / "a.yaml").write_text(example_plan("pauc"), encoding="utf-8")
    (run,) = read_plan(str(tmp_path / "a.yaml"))
    write_plan(run.plan, tmp_path / "b.yaml")
    assert read_plan(str(tmp_path / "b.yaml"))[0].plan == run.plan
