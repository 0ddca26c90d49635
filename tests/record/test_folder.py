"""What was recorded before is never lost unasked, and never mixed with another run."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.record import ScoreRecorder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "deep" / "run.scores"


def record(folder, steps, *, value=0.5, rows=3, **options):
    with ScoreRecorder(folder, **options) as recorder:
        for step in steps:
            recorder(np.full(rows, float(value + step)), np.arange(rows) % 2, step=step)
    return recorder.path


def steps_of(read_rows, folder, rank=0):
    return read_rows(folder, rank)["step"][::3].tolist()


def test_a_folder_is_not_overwritten_unasked(folder, read_rows):
    record(folder, range(5))
    for _ in range(2):
        with pytest.raises(InputError, match="overwrite=True"):
            ScoreRecorder(folder)
    assert steps_of(read_rows, folder) == list(range(5))
    record(folder, range(2), overwrite=True)
    assert steps_of(read_rows, folder) == [0, 1]


def test_a_folder_of_other_things_is_left_alone(folder):
    folder.mkdir(parents=True)
    (folder / "rank-notes.stb").write_text("mine")
    record(folder, range(2), overwrite=True)
    assert (folder / "rank-notes.stb").read_text() == "mine"


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "run.scores").write_text("mine")
    for options in ({}, {"overwrite": True}, {"append": True}):
        with pytest.raises(InputError, match=r"run\.scores"):
            ScoreRecorder(tmp_path / "run.scores", **options)
    assert (tmp_path / "run.scores").read_text() == "mine"


def test_ranks_have_files_of_their_own(folder, read_rows, monkeypatch):
    record(folder, [1], rank=3)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    record(folder, [2])
    with pytest.raises(InputError, match="recorded here before"):
        record(folder, [2])
    monkeypatch.setenv("RANK", "0")
    record(folder, [0])
    assert [steps_of(read_rows, folder, rank) for rank in (0, 2, 3)] == [[0], [2], [1]]
    monkeypatch.setenv("RANK", "two")
    with pytest.raises(InputError, match="RANK"):
        record(folder, [2], append=True)


def test_a_smaller_run_does_not_leave_files_of_a_larger_one(folder, monkeypatch):
    for rank in range(4):
        record(folder, [1], rank=rank)
    os.remove(folder / "rank-00000.stb")  # noqa: PTH107  beside the others nothing else is in the way
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="recorded here before"):
        record(folder, [1])
    assert len(list(folder.iterdir())) == 3
    record(folder, [1], overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["rank-00000.stb", "rank-00001.stb"]


def test_torch_distributed_tells_the_rank(tmp_path, folder):
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available():
        pytest.skip("torch was built without distributed")
    script = """
import sys, torch
from imbalance_doctor.record import ScoreRecorder
rank, store, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.distributed.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
with ScoreRecorder(folder) as recorder:
    recorder(torch.randn(3), torch.zeros(3), step=10 + rank)
torch.distributed.destroy_process_group()
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(rank), tmp_path / "store", folder], cwd=ROOT)
        for rank in range(2)
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert sorted(path.name for path in folder.iterdir()) == ["rank-00000.stb", "rank-00001.stb"]


def test_two_processes_may_not_share_a_file(folder):
    pytest.importorskip("fcntl")
    with ScoreRecorder(folder):
        for options in ({"overwrite": True}, {"append": True}):
            with pytest.raises(InputError, match="rank="):
                ScoreRecorder(folder, **options)


def test_a_resumed_run_goes_on_behind(folder, read_rows):
    record(folder, range(5), append=True)
    record(folder, range(5, 8), append=True)
    with ScoreRecorder(folder, append=True) as recorder:
        recorder(np.zeros(3), np.zeros(3))
    assert steps_of(read_rows, folder) == list(range(9))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.data())
def test_repeated_steps_are_replaced(tmp_path_factory, read_rows, lengths, data):
    """Each resumption begins somewhere behind the first step; a plain list is the twin."""
    folder = tmp_path_factory.mktemp("resume") / "x.scores"
    twin = []
    for run, length in enumerate(lengths):
        start = data.draw(st.integers(1, len(twin))) if twin else 0
        steps = range(start, start + length)
        record(folder, steps, value=100 * run, append=True)
        twin = [(step, value) for step, value in twin if step < start] + [
            (step, 100 * run + step) for step in steps
        ]
    rows = read_rows(folder)
    assert list(zip(rows["step"][::3].tolist(), rows["scores"][::3, 0].tolist(), strict=True)) == twin
    assert len(rows["step"]) == 3 * len(twin)


def test_appending_may_not_erase_everything(folder, read_rows):
    record(folder, range(3, 6))
    for step in (0, 3):
        with pytest.raises(InputError, match="after 3, but got step"):
            record(folder, [step], append=True)
    assert steps_of(read_rows, folder) == [3, 4, 5]
    record(folder, [4], append=True)
    assert steps_of(read_rows, folder) == [3, 4]


@pytest.mark.parametrize(
    "options",
    [{"scores_are": "probabilities"}, {"ignore_index": 255}],
)
def test_what_is_appended_must_be_alike(folder, options, read_rows):
    record(folder, range(3))
    with pytest.raises(InputError, match="like those recorded before"):
        record(folder, [5], append=True, **options)
    with (
        ScoreRecorder(folder, append=True) as recorder,
        pytest.raises(InputError, match="like those recorded before"),
    ):
        recorder(np.zeros((3, 4)), np.zeros(3))
    with (
        ScoreRecorder(folder, append=True) as recorder,
        pytest.raises(InputError, match="like those recorded before"),
    ):
        recorder(np.zeros(3), np.zeros(3), epoch=0.0)
    assert steps_of(read_rows, folder) == [0, 1, 2]


def test_appended_scores_keep_their_type(folder, read_rows):
    with ScoreRecorder(folder) as recorder:
        recorder(np.zeros(3, np.float32), np.zeros(3))
    record(folder, [1], append=True)
    assert read_rows(folder)["scores"].dtype == np.float32


def test_a_torn_block_is_cut_off_wherever_it_is_torn(folder, read_rows):
    path = record(folder, range(3))
    whole = path.read_bytes()
    record(folder, range(3, 6), append=True)
    both = path.read_bytes()
    for length in range(len(whole), len(both)):
        path.write_bytes(both[:length])
        ScoreRecorder(folder, append=True).close()
        assert path.read_bytes() == whole
    path.write_bytes(both)
    ScoreRecorder(folder, append=True).close()
    assert path.read_bytes() == both
    path.write_bytes(whole + bytes(len(both) - len(whole)))  # a disk that lost power may keep the length only
    ScoreRecorder(folder, append=True).close()
    assert path.read_bytes() == whole
    path.write_bytes(both[:-1] + bytes([both[-1] ^ 1]))
    record(folder, [9], append=True)
    assert steps_of(read_rows, folder) == [0, 1, 2, 9]


@pytest.mark.parametrize(
    "content",
    [
        b"\x02" + bytes(7) + b"{}" + bytes(10),
        b"\x08" + bytes(7) + b"not json" + bytes(10),
        b"\x02" + bytes(7) + b"[]" + bytes(10),
        (100_000).to_bytes(8, "little") + b" " * 200_000,
        b"\x25" + bytes(7) + b'{"a":{"data_offsets":[0,"b"]},"c":{}}' + bytes(10),
    ],
)
def test_a_file_of_something_else_is_not_appended_to(folder, content):
    folder.mkdir(parents=True)
    path = folder / "rank-00000.stb"
    path.write_bytes(content)
    with pytest.raises(InputError, match="something else"):
        ScoreRecorder(folder, append=True)
    assert path.read_bytes() == content
