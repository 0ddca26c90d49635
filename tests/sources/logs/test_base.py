"""Finding logs and choosing their readers: files, folders, pipes, compressed files, and what is no log."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import pickle
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs import Options, read_logs
from imbalance_doctor.sources.logs import base as logs_base
from imbalance_doctor.sources.logs._instead import crash_in
from imbalance_doctor.sources.logs.base import LogReader, readers

TABLE = "epoch,loss,val_loss\n" + "".join(f"{e},{1 / (e + 1):.6f},{1 / (e + 2):.6f}\n" for e in range(8))
CONSOLE = "".join(f"Epoch {e}/8 - loss: {1 / (e + 1):.4f} - val_loss: {1 / (e + 2):.4f}\n" for e in range(8))


def one(*paths, **options):
    (reading,) = read_logs([str(path) for path in paths], Options(**options))
    return reading


def first_loss(reading):
    return reading.runs[0].get("loss", "train").values[0]


# ---- readers


def test_every_module_without_underscore_is_a_reader_and_text_comes_last():
    names = [reader.__name__ for reader in readers()]
    folder = Path(logs_base.__file__).parent
    assert sorted(names) == sorted(
        p.stem.title().replace("_", "") for p in folder.glob("[a-z]*.py") if p.stem != "base"
    )
    assert names[-1] == "Text"
    assert [r.rank for r in readers()] == sorted(r.rank for r in readers())
    assert all(issubclass(r, LogReader) and r.title for r in readers())


# ---- paths


def test_a_missing_file_names_the_closest_sibling(tmp_path):
    (tmp_path / "train.log").write_text(CONSOLE)
    with pytest.raises(InputError, match=r"expected a log, but there is none; did you mean 'train.log'\?"):
        read_logs([str(tmp_path / "trian.log")])


@pytest.mark.parametrize("path", ["nowhere/at/all.log", "a\0b", "runs/*.log"])
def test_a_path_that_leads_nowhere_is_an_error(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        read_logs([path])


def test_no_path_is_an_error():
    with pytest.raises(InputError, match="at least one log"):
        read_logs([])


def test_a_file_below_a_file_is_an_error(tmp_path):
    (tmp_path / "a.log").write_text(CONSOLE)
    with pytest.raises(InputError, match="there is none"):
        read_logs([str(tmp_path / "a.log" / "b.log")])


def test_a_pattern_reads_every_match_and_each_path_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_text(CONSOLE)
    found = read_logs([str(tmp_path / "*.log"), str(tmp_path / "a.log")])
    assert [Path(r.source).name for r in found] == ["a.log", "b.log"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path):
    (tmp_path / "run[1].log").write_text(CONSOLE)
    assert len(one(tmp_path / "run[1].log").runs) == 1


def test_standard_input_is_a_log(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TABLE.encode())))
    reading = one("-")
    assert (reading.source, len(reading.runs)) == ("-", 1)
    assert reading.runs[0].source == "-"


def test_a_named_pipe_is_a_log(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(TABLE,))
    writer.start()
    assert first_loss(one(pipe)) == 1
    writer.join()


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), ("", gzip.compress)],
)
def test_a_compressed_log_is_read_as_what_it_holds(suffix, pack, tmp_path):
    path = tmp_path / f"metrics.csv{suffix}"
    path.write_bytes(pack(TABLE.encode()))
    reading = one(path)
    assert first_loss(reading) == 1
    assert reading.source == str(path)


def test_a_compressed_log_that_is_cut_short_is_read_up_to_the_cut(tmp_path):
    rows = "".join(f"{e},{hash((e, 7)) % 9973},{e}\n" for e in range(20_000))
    whole = gzip.compress(("epoch,loss,val_loss\n" + rows).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    reading = one(tmp_path / "a.csv.gz")
    assert 1000 < len(reading.runs[0].get("loss", "train")) < 20_000
    assert "cut short" in reading.notes[-1]


def test_a_compressed_file_that_grows_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(logs_base, "_LARGEST_UNPACKED", 2**20)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * (2**21)))
    with pytest.raises(InputError, match="expected a log of at most"):
        read_logs([str(tmp_path / "bomb.gz")])


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "a.gz").write_bytes(gzip.compress(TABLE.encode()))
    one(tmp_path / "a.gz")
    assert list((tmp_path / "tmp").iterdir()) == []


# ---- encodings


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: "训练开始\n".encode("gb18030") + text.encode(),
        lambda text: b"caf\xe9 \xff\n" + text.encode(),
    ],
    ids=["utf-8", "utf-8 mark", "utf-16 mark", "utf-16-le", "utf-16-be", "gb18030", "broken"],
)
@pytest.mark.parametrize("content", [CONSOLE], ids=["console"])
def test_the_encoding_is_told_from_the_bytes(encode, content, tmp_path):
    (tmp_path / "run.log").write_bytes(encode(content))
    reading = one(tmp_path / "run.log")
    assert len(reading.runs[0].get("loss", "val")) == 8


@pytest.mark.parametrize(
    ("first", "certain"),
    [
        ("学習を開始します\n".encode("cp932"), True),
        ("训练开始\n".encode("gb18030"), True),
        ("Größe der Präzision\n".encode("latin-1"), False),
        ("обучение\n".encode("cp1251"), False),
        ("broken \ufffd\n".encode(), True),
    ],
    ids=["Shift-JIS", "GB 18030", "Latin-1", "Windows-1251", "replaced before"],
)
def test_an_encoding_that_is_not_certain_is_said(first, certain, tmp_path):
    (tmp_path / "run.log").write_bytes(first + CONSOLE.encode())
    assert any("encoding" in note for note in one(tmp_path / "run.log").notes) != certain


# ---- what is no log

NO_LOGS = {
    b"": "an empty file",
    b" \n\n": "an empty file",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n": "a Git LFS pointer",
    b"\x89PNG\r\n\x1a\n" + bytes(50): "a PNG image",
    b"%PDF-1.7\n": "a PDF document",
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'": "a NumPy array",
    b"This is pdfTeX, Version 3.14 (MiKTeX)\nentering extended mode\nOverfull 3.1pt\n" * 5: "a LaTeX log",
    b"-- The CXX compiler identification is GNU 11.4\n-- Configuring done (0.5s)\n": "a compiler or build",
    b"[ 50%] Building CXX object a.o\n[100%] Built target a\n": "a compiler or build",
    b"Collecting torch\n  Downloading torch.whl\nSuccessfully installed torch-2.1\n": "installation",
    b"I tried lr 0.1 first. It was bad.\nThen I went home and thought about it.\n": "",
    b"age,income,label\n" + b"".join(b"%d,%d,%d\n" % (i, i * 7, i % 2) for i in range(40)): "",
    b"              precision    recall  f1-score   support\n\n 0       0.93      0.99      0.96        90\n"
    b"           1       0.50      0.10      0.17        10\n": "classification report",
    b"Traceback (most recent call last):\n  File 't.py', line 3\nValueError: bad shape (3, 4)\n":
        "ended with ValueError: bad shape (3, 4)",
    b"loading\ntorch.cuda.OutOfMemoryError: CUDA out of memory.\n": "CUDA out of memory",
    b"FloatingPointError: Loss became infinite or NaN at iteration=166!\n": "Loss became infinite or NaN",
    bytes(range(256)) * 20: "binary data",
    b"loss: 0.5\nloss: 0.4\n": "too short: fewer than 3 values of loss (2)",
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), NO_LOGS.items(), ids=[str(i) for i in range(len(NO_LOGS))])
def test_what_is_no_log_is_said(content, words, tmp_path):
    (tmp_path / "training.log").write_bytes(content)
    reading = one(tmp_path / "training.log")
    assert reading.runs == ()
    assert reading.instead
    assert words in reading.instead


def test_a_pickle_of_something_else_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    (tmp_path / "history.pkl").write_bytes(pickle.dumps(Bomb()))
    assert one(tmp_path / "history.pkl").instead.startswith("a pickle that is no plain history")
    assert not (tmp_path / "exploded").exists()


def test_a_checkpoint_is_no_log(tmp_path):
    with zipfile.ZipFile(tmp_path / "best.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    assert one(tmp_path / "best.pt").instead == "a PyTorch checkpoint"


def test_the_crash_of_a_run_with_a_series_is_the_runs(tmp_path):
    (tmp_path / "a.log").write_text(
        CONSOLE + "Traceback (most recent call last):\nRuntimeError: CUDA error: x\n"
    )
    assert "RuntimeError" in one(tmp_path / "a.log").runs[0].crash


def test_the_last_exception_is_the_crash():
    text = "Traceback (most recent call last):\nKeyError: 1\n" * 2 + "[rank0]: ValueError: 2\n"
    assert crash_in(text) == "ValueError: 2"
    assert crash_in("no errors: 0\nError rate: 0.1\n") == ""


# ---- options


def test_a_bad_name_is_an_error_before_anything_is_read():
    with pytest.raises(InputError, match="did you mean 'val_loss'"):
        read_logs(["nowhere.log"], Options(keys={"x": "val_lss"}))


def test_a_mapped_key_makes_a_series(tmp_path):
    (tmp_path / "a.csv").write_text(TABLE.replace("val_loss", "goodness_loss"))
    assert (
        one(tmp_path / "a.csv", keys={"goodness_loss": "val_recall"}).runs[0].get("recall", "val") is not None
    )


def test_a_pattern_for_text_is_used(tmp_path):
    (tmp_path / "a.log").write_text("".join(f"@@ {e} ## 0.{9 - e}\n" for e in range(8)))
    reading = one(tmp_path / "a.log", patterns=(r"@@ (?P<epoch>\d+) ## (?P<val_loss>[\d.]+)",))
    assert len(reading.runs[0].get("loss", "val")) == 8


def test_a_bad_pattern_is_an_error(tmp_path):
    (tmp_path / "a.log").write_text(CONSOLE)
    with pytest.raises(InputError, match="--pattern"):
        one(tmp_path / "a.log", patterns=("(",))


# ---- folders


def test_a_folder_of_logs_gives_all_of_them(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "metrics.csv").write_text(TABLE)
    (tmp_path / "b.log").write_text(CONSOLE.replace("0.", "0.9"))
    (tmp_path / "notes.txt").write_text("nothing here")
    found = read_logs([str(tmp_path)])
    assert {Path(r.source).relative_to(tmp_path).as_posix() for r in found} == {"a/metrics.csv", "b.log"}


def test_the_console_of_a_run_with_a_table_is_left_out(tmp_path):
    (tmp_path / "log.csv").write_text(TABLE)
    (tmp_path / "console.log").write_text(CONSOLE)
    assert Path(one(tmp_path).source).name == "log.csv"


def test_two_runs_with_like_values_are_both_kept(tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    (tmp_path / "b.csv").write_text(TABLE.replace("0.", "0.5"))
    assert len(read_logs([str(tmp_path)])) == 2


def test_only_the_last_checkpoint_tells_the_whole_run(tmp_path):
    def state(steps):
        rows = [{"loss": 1 / s, "step": s, "epoch": s / 10} for s in range(1, steps)]
        return json.dumps({"log_history": rows, "global_step": steps, "max_steps": 99, "best_metric": None})

    for step in (50, 100, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state(step))
    reading = one(tmp_path)
    assert "checkpoint-100" in reading.source
    (tmp_path / "trainer_state.json").write_text(state(110))
    assert one(tmp_path).source == str(tmp_path / "trainer_state.json")


def test_a_folder_without_a_log_says_what_was_looked_at(tmp_path):
    assert one(tmp_path).instead == "a folder without a log"
    (tmp_path / "a.txt").write_text("hello there\n")
    (tmp_path / "b.txt").write_text("")
    reading = one(tmp_path)
    assert "a.txt (text without measurements)" in reading.instead
    assert "b.txt (an empty file)" in reading.instead


def test_models_sources_hidden_folders_and_links_are_not_entered(tmp_path):
    for place in (".git", "node_modules", "src"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "run.csv").write_text(TABLE)
    (tmp_path / "model.pt").write_text(TABLE)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "run.csv").write_text(TABLE)
    (tmp_path / "link").symlink_to(outside)
    assert one(tmp_path).instead == "a folder without a log"


def test_a_search_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(logs_base, "_MOST_FILES", 3)
    for i in range(6):
        (tmp_path / f"{i}.csv").write_text(TABLE.replace("0.", f"0.{i}"))
    found = read_logs([str(tmp_path)])
    assert len(found) == 3
    assert "only the first 3 files" in found[0].notes[-1]


def test_a_damaged_file_in_a_folder_is_a_note(tmp_path):
    (tmp_path / "log.csv").write_text(TABLE)
    (tmp_path / "broken.json").write_text(
        '{"log_history": 3, "global_step": 1, "max_steps": 2, "best_metric": 0}'
    )
    reading = one(tmp_path)
    assert Path(reading.source).name == "log.csv"
    assert any("broken.json" in note for note in reading.notes)


# ---- any bytes


SEEDS = (
    TABLE.encode(),
    CONSOLE.encode(),
    CONSOLE.encode("utf-16"),
    gzip.compress(TABLE.encode()),
    pickle.dumps({"loss": [1.0, 0.5, 0.2], "val_loss": [1.0, 0.6, 0.3]}),
    json.dumps({"log_history": [{"loss": 1.0, "step": 1}], "global_step": 1, "max_steps": 2}).encode(),
    b'{"iteration": 1, "total_loss": 0.5}\n' * 5,
    b"\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22\x09\x00\x00\xc0\xa9\x1e\xd8\xd9\x41\x1a\x0dbrain.Event:2",
    b":W&B\xbe\xef\x00" + bytes(40),
    b"SQLite format 3\x00" + bytes(100),
    b"PK\x03\x04" + bytes(60),
)


@st.composite
def damaged(draw):
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 5))] = draw(st.binary(max_size=6))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=400) | damaged(), st.sampled_from(["a.log", "history.pkl", "results.csv", "a.json"])
)
def test_no_bytes_raise_anything_but_an_input_error(content, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            readings = read_logs([str(path)])
        except InputError:
            return
        assert all(bool(r.runs) != bool(r.instead) for r in readings)


TOKENS = st.sampled_from(
    [
        "loss",
        "val_loss:",
        "=",
        " 0.5",
        "nan",
        "\n",
        "\t",
        ",",
        "Epoch",
        " 3/9 ",
        "{",
        "}",
        '"acc"',
        "%",
        "[1]",
        "\r",
        "|",
        "'s",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TOKENS, max_size=60))
def test_no_text_raises_anything_but_an_input_error(tokens):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.log"
        path.write_text("".join(tokens))
        try:
            readings = read_logs([str(path)])
        except InputError:
            return
        assert all(bool(r.runs) != bool(r.instead) for r in readings)


@pytest.mark.parametrize(
    "line",
    [
        "iteration 50, epoch 1e999 : loss : 5.75, lr: 0.1\n",
        "epoch 1e999 step 3 loss=0.5\n",
        "step 1e999 loss=0.5\n",
    ],
)
def test_a_count_without_bounds_is_no_count(line, tmp_path):
    (tmp_path / "run.log").write_text(line * 4 + CONSOLE)
    assert one(tmp_path / "run.log").runs


def test_a_table_whose_index_is_no_number_is_read(tmp_path):
    rows = "".join(f"nan  0.{e}  0.{9 - e}\n" for e in range(1, 8))
    (tmp_path / "run.log").write_text("epoch  loss  accuracy\n" + rows)
    one(tmp_path / "run.log")
