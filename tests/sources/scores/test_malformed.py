"""Whatever is wrong with a dump: one line that names the file and says what was expected."""

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.scores import read_scores

_SPEC = importlib.util.spec_from_file_location("score_dumps", Path(__file__).with_name("dumps.py"))
dumps = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(dumps)
CASES = list(dumps.malformed())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_one_clear_line(case, tmp_path):
    path, options = dumps.write(case, tmp_path)
    with pytest.raises(InputError) as refused:
        read_scores([str(path)], **options)
    assert refused.value.where.startswith((str(path.parent), "--", *map(str, options.values())))
    message = str(refused.value).replace(str(tmp_path), "")
    assert refused.value.exit_code == 2
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 400
    assert case.says in message
    assert "expected" in message


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES) >= 150


def test_standard_input_is_refused():
    with pytest.raises(InputError, match="more than once"):
        read_scores(["-"])


def test_a_named_pipe_is_refused(tmp_path):
    path = tmp_path / "run.csv"
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(path.write_bytes, b"logit,target\n1.5,0\n")
        with pytest.raises(InputError, match="got a pipe"):
            read_scores([str(path)])
        writing.result()


def test_no_path():
    with pytest.raises(InputError, match="at least one score file"):
        read_scores([])


def test_a_file_twice(tmp_path):
    dumps.write_npz(tmp_path / "run.npz", dumps.GOOD)
    with pytest.raises(InputError, match="twice"):
        read_scores([str(tmp_path / "run.npz"), str(tmp_path / "*.npz")])


def test_targets_for_several_files(tmp_path):
    for part in ("a", "b"):
        dumps.pair(dumps.LOGITS, dumps.TARGETS, f"{part}_y.npy")(tmp_path / f"{part}_scores.npy")
    paths = [str(tmp_path / f"{part}_scores.npy") for part in "ab"]
    assert read_scores(paths).rows == 8
    with pytest.raises(InputError, match="2 files"):
        read_scores(paths, targets=str(tmp_path / "a_y.npy"))


def test_two_siblings(tmp_path):
    dumps.pair(dumps.LOGITS, dumps.TARGETS)(tmp_path / "scores.npy")
    dumps.pair(dumps.LOGITS, dumps.TARGETS, "labels.npy")(tmp_path / "scores.npy")
    with pytest.raises(InputError, match="found 2"):
        read_scores([str(tmp_path / "scores.npy")])


def test_a_file_that_became_shorter(tmp_path):
    path = tmp_path / "run.npz"
    dumps.write_npz(path, dumps.GOOD)
    dump = read_scores([str(path)])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="shorter"):
        list(dump.blocks())


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "run.parquet").write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(InputError, match=r"pip install 'imbalance-doctor\[parquet\]'"):
        read_scores([str(tmp_path / "run.parquet")])


GOOD_FILES = {}


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    place = tmp_path_factory.mktemp("good")
    for name, (file, write) in dumps.FORMATS.items():
        write(place / file, {**dumps.GOOD, "step": dumps.STEPS})
        GOOD_FILES[name] = (file, (place / file).read_bytes())
    GOOD_FILES["recorded"] = ("rank-00000.stb", dumps.BLOCK + dumps.BLOCK)
    return place


@pytest.mark.parametrize("name", [*dumps.FORMATS, "recorded"])
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_never_end_in_another_error(name, good_files, data):
    file, content = GOOD_FILES[name]
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        fate = data.draw(st.sampled_from(["change", "cut", "insert", "zero"]))
        if fate == "change":
            damaged[position] = data.draw(st.integers(0, 255))
        elif fate == "cut":
            del damaged[position : position + data.draw(st.integers(1, 40))]
        elif fate == "insert":
            damaged[position:position] = data.draw(st.binary(max_size=20))
        else:
            damaged[position : position + 8] = bytes(len(damaged[position : position + 8]))
        damaged = damaged or bytearray(b"\0")
    path = good_files / f"damaged-{file}"
    path.write_bytes(damaged)
    try:
        dump = read_scores([str(path)])
        assert sum(len(block) for block in dump.blocks()) == dump.rows
    except InputError:
        pass


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    suffix=st.sampled_from(["npz", "npy", "csv", "parquet", "pt", "safetensors", "jsonl", "stb", "bin"]),
    content=st.binary(max_size=300),
)
def test_arbitrary_bytes_are_refused(suffix, content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"arbitrary.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_scores([str(path)])
