"""Every format, written by the real libraries, and what is assumed about it."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels import base, read_labels

ROOT = Path(__file__).parents[3]
Y = np.array([0, 1, 0, 0, 2, 1, 0, 0])
COUNTS = {"0": 5, "1": 2, "2": 1}


def counted(labels):
    return dict(zip(labels.classes, labels.counts.tolist(), strict=True))


def read(path, **options):
    return read_labels([str(path)], **options)


@pytest.fixture
def text(tmp_path):
    """Return a function that writes text to a file and returns the file."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# --- shape and kind ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8,), (8, 1), (1, 8), (8, 1, 1)])
def test_one_label_per_row(tmp_path, shape):
    np.save(tmp_path / "y.npy", Y.reshape(shape))
    labels = read(tmp_path / "y.npy")
    assert counted(labels) == COUNTS
    assert (labels.kind, labels.rows, labels.rows_per_sample, labels.encoding) == (
        "classes",
        8,
        1,
        "standard",
    )
    assert bool(labels.assumptions) == (shape == (1, 8))


def test_a_single_indicator_column_is_binary(tmp_path):
    np.save(tmp_path / "y.npy", np.array([[0], [1], [0]]))
    labels = read(tmp_path / "y.npy")
    assert (labels.kind, counted(labels), labels.positive) == ("classes", {"0": 2, "1": 1}, 1)
    labels = read(tmp_path / "y.npy", kind="indicator")
    assert (labels.kind, counted(labels), labels.rows, labels.positive) == ("indicator", {"0": 1}, 3, 0)


def test_a_matrix_of_zeros_and_ones_is_an_indicator(tmp_path):
    matrix = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0]])
    np.save(tmp_path / "y.npy", matrix)
    labels = read(tmp_path / "y.npy")
    assert (labels.kind, counted(labels), labels.rows) == ("indicator", {"0": 1, "1": 3, "2": 0}, 3)
    assert labels.positive is None
    assert any("multi-label" in told for told in labels.assumptions)
    labels = read(tmp_path / "y.npy", kind="sequence")
    assert (counted(labels), labels.rows, labels.rows_per_sample) == ({"0": 5, "1": 4}, 9, 3)
    assert not any("sequence" in told for told in labels.assumptions)


@pytest.mark.parametrize("dtype", [np.int64, bool, np.float32])
def test_one_hot_rows_are_classes_when_asked(tmp_path, dtype):
    np.save(tmp_path / "y.npy", np.eye(3)[Y].astype(dtype))
    assert any("--label-kind classes" in told for told in read(tmp_path / "y.npy").assumptions)
    labels = read(tmp_path / "y.npy", kind="classes")
    assert (labels.kind, counted(labels)) == ("classes", COUNTS)


def test_sequences_with_the_ignore_index(tmp_path):
    sequences = np.array([[0, 1, -100], [2, -100, -100]])
    np.save(tmp_path / "y.npy", sequences)
    labels = read(tmp_path / "y.npy")
    assert (counted(labels), labels.rows, labels.ignored) == ({"0": 1, "1": 1, "2": 1}, 3, 3)
    assert labels.rows_per_sample == 3
    assert len(labels.assumptions) == 2


def test_masks_are_sequences(tmp_path):
    np.save(tmp_path / "y.npy", (np.arange(24) % 5 == 0).reshape(2, 3, 4))
    labels = read(tmp_path / "y.npy")
    assert (counted(labels), labels.rows_per_sample) == ({"0": 19, "1": 5}, 12)


def test_rows_with_an_ignored_cell_leave_an_indicator(tmp_path):
    matrix = np.array([[0, 1], [1, -100], [1, 0], [-100, -100]])
    np.save(tmp_path / "y.npy", matrix)
    labels = read(tmp_path / "y.npy", kind="indicator")
    assert (counted(labels), labels.rows, labels.ignored) == ({"0": 1, "1": 1}, 2, 2)
    np.save(tmp_path / "f.npy", np.asfortranarray(matrix))
    with pytest.raises(InputError, match="only 0 and 1"):
        read(tmp_path / "f.npy", kind="indicator")


def test_a_matrix_too_wide_for_an_indicator_is_a_sequence(tmp_path):
    matrix = np.zeros((2, 100_001), np.int8)
    matrix[0, 3] = 1
    np.save(tmp_path / "y.npy", matrix)
    labels = read(tmp_path / "y.npy")
    assert (labels.kind, labels.rows_per_sample) == ("classes", 100_001)
    with pytest.raises(InputError, match="at most 100,000 classes"):
        read(tmp_path / "y.npy", kind="indicator")


# --- ignore index, encoding, positive class ---------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "ignore", "expected", "ignored"),
    [
        ([0, 1, -100, -100], None, {"0": 1, "1": 1}, 2),
        ([0, 1, 255, 1], 255, {"0": 1, "1": 2}, 1),
        ([-1, 0, 1], -1, {"0": 1, "1": 1}, 1),
        ([0, 1, 1], 7, {"0": 1, "1": 2}, 0),
    ],
)
def test_ignore_index(tmp_path, values, ignore, expected, ignored):
    np.save(tmp_path / "y.npy", np.array(values))
    labels = read(tmp_path / "y.npy", ignore_index=ignore)
    assert (counted(labels), labels.ignored, labels.rows) == (expected, ignored, sum(expected.values()))
    assert any("-100" in told for told in labels.assumptions) == (ignore is None)


@pytest.mark.parametrize(
    ("values", "encoding", "positive"),
    [
        ([0, 1, 1, 1], "standard", "1"),
        ([-1, -1, -1, 1], "signed", "1"),
        ([-1, 1, 1, 1], "signed", "1"),
        ([1, 2, 2], "shifted", "1"),
        ([1, 1, 2], "shifted", "2"),
        ([1, 2], "shifted", "2"),
        ([0, 255, 255], "gaps", "0"),
        ([3, 9], "gaps", "9"),
        ([0, 1, 2], "standard", None),
        ([1, 2, 3], "shifted", None),
        ([0, 2, 3], "gaps", None),
    ],
)
def test_encoding_and_positive(tmp_path, values, encoding, positive):
    np.save(tmp_path / "y.npy", np.array(values))
    labels = read(tmp_path / "y.npy")
    assert labels.encoding == encoding
    assert (None if labels.positive is None else labels.classes[labels.positive]) == positive
    assumed = positive is not None and encoding in {"shifted", "gaps"}
    assert any("positive" in told for told in labels.assumptions) == assumed


@pytest.mark.parametrize(
    ("names", "positive"),
    [
        (["ok", "ok", "bad"], "bad"),
        (["b", "a"], "b"),
        (["True", "True", "False"], "True"),
        (["a", "b", "c"], None),
    ],
)
def test_names(tmp_path, names, positive):
    for dtype in ("U", "S"):
        np.save(tmp_path / "y.npy", np.array(names, dtype))
        labels = read(tmp_path / "y.npy")
        assert labels.encoding == "names"
        assert labels.classes == tuple(sorted(set(names)))
        assert (None if labels.positive is None else labels.classes[labels.positive]) == positive


def test_positive_is_the_users_choice(tmp_path):
    np.save(tmp_path / "y.npy", np.array([0, 1, 1]))
    labels = read(tmp_path / "y.npy", positive="0")
    assert (labels.positive, labels.assumptions) == (0, ())
    np.save(tmp_path / "b.npy", np.array([False, True, True]))
    assert read(tmp_path / "b.npy", positive="False").positive == 0


def test_numbers_written_as_text_are_class_ids(text, tmp_path):
    np.save(tmp_path / "y.npy", np.array(["0", "10", "2", "2"]))
    assert read(tmp_path / "y.npy").classes == ("0", "2", "10")
    labels = read(text("y.txt", "1.0\n0.000e+00\n1\n+1\n-0\n"))
    assert (counted(labels), labels.encoding) == ({"0": 2, "1": 3}, "standard")


@pytest.mark.parametrize("content", ["007\n12\n007\n", "12\nC50\n12\n", "none\nscratch\nnone\n"])
def test_what_stays_a_name(text, content):
    labels = read(text("y.txt", content))
    assert labels.encoding == "names"
    assert sorted(labels.counts.tolist()) == [1, 2]


# --- archives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    ("arrays", "key", "told"),
    [
        ({"anything": Y}, None, False),
        ({"X": np.zeros((8, 3)), "y": Y}, None, True),
        ({"features": np.zeros((8, 3)), "defect": Y}, None, True),
        ({"y": Y[::-1], "fold": Y}, "fold", False),
    ],
)
def test_npz(tmp_path, save, arrays, key, told):
    save(tmp_path / "y.npz", **arrays)
    labels = read(tmp_path / "y.npz", key=key)
    assert counted(labels) == COUNTS
    assert bool(labels.assumptions) == told


def test_a_compressed_archive_larger_than_a_block(tmp_path):
    y = (np.arange(3_000_000) % 1000 == 0).astype(np.int64)
    np.savez_compressed(tmp_path / "y.npz", y=np.asfortranarray(y.reshape(-1, 3)))
    labels = read(tmp_path / "y.npz")
    assert (labels.kind, int(labels.counts.sum()), labels.rows) == ("indicator", 3000, 1_000_000)
    assert labels.counts.tolist() == [int(n) for n in y.reshape(-1, 3).sum(0)]


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "int32", "int64", "float16", "float64", "uint16"]
)
def test_torch(tmp_path, dtype):
    torch = pytest.importorskip("torch")
    y = torch.tensor(Y % 2).to(getattr(torch, dtype))
    torch.save(y, tmp_path / "y.pt")
    assert counted(read(tmp_path / "y.pt")) == {"0": 6, "1": 2}
    torch.save({"epoch": 3, "x": torch.zeros(8, 2), "y": y, "z": y}, tmp_path / "d.pt", pickle_protocol=4)
    labels = read(tmp_path / "d.pt")
    assert (counted(labels), labels.assumptions) == (
        {"0": 6, "1": 2},
        ("'y' holds the labels (no key was named)",),
    )
    assert counted(read(tmp_path / "d.pt", key="z")) == {"0": 6, "1": 2}


def test_torch_views(tmp_path):
    torch = pytest.importorskip("torch")
    table = torch.tensor(np.stack([np.arange(8) + 5, Y, np.arange(8) % 2], axis=1))
    torch.save(table[:, 1], tmp_path / "column.pt")
    torch.save(table[:, 1:].t(), tmp_path / "transposed.pt")
    torch.save(torch.tensor(Y)[2:], tmp_path / "tail.pt")
    torch.save(torch.eye(3, dtype=torch.int64)[Y].t().contiguous().t(), tmp_path / "onehot.pt")
    assert counted(read(tmp_path / "column.pt")) == COUNTS
    assert counted(read(tmp_path / "transposed.pt")) == {"0": 9, "1": 6, "2": 1}
    assert counted(read(tmp_path / "tail.pt")) == {"0": 4, "1": 1, "2": 1}
    assert read(tmp_path / "onehot.pt").counts.tolist() == [5, 2, 1]


def test_torch_state_dict_is_read_without_torch(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.BatchNorm1d(2).state_dict(), tmp_path / "model.pt")
    with pytest.raises(InputError, match="several: weight, bias"):
        read(tmp_path / "model.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(InputError, match="never unpickled"):
        read(tmp_path / "module.pt")


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "int32", "int64", "float16", "float64", "uint64"]
)
def test_safetensors(tmp_path, dtype):
    library = pytest.importorskip("safetensors.numpy")
    y = (Y % 2).astype(dtype)
    library.save_file(
        {"x": np.zeros((8, 2), np.float32), "defect": y}, tmp_path / "y.safetensors", {"a": "b"}
    )
    labels = read(tmp_path / "y.safetensors", key="defect")
    assert counted(labels) == {"0": 6, "1": 2}
    if y.dtype.kind != "f":
        assert counted(read(tmp_path / "y.safetensors")) == {"0": 6, "1": 2}


# --- tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "column", "expected"),
    [
        ("id,label\n1,0\n2,1\n3,0\n", None, {"0": 2, "1": 1}),
        ("id,Label\r\n1,0\r\n2,1\r\n3,0\r\n", None, {"0": 2, "1": 1}),
        ("\ufeffy\n0\n1\n0\n", None, {"0": 2, "1": 1}),
        ("\ufeffid;is_fraud\n1;0\n2;1\n3;0\n", None, {"0": 2, "1": 1}),
        ("id\ttarget\n1\t0\n2\t1\n", None, {"0": 1, "1": 1}),
        ("id|outcome\n1|a b\n2|c\n", None, {"a b": 1, "c": 1}),
        ("a,b\n5,0\n6,1\n7,0\n", "b", {"0": 2, "1": 1}),
        ("5,0\n6,1\n7,0\n", "1", {"0": 2, "1": 1}),
        ("0\n1\n0\n", None, {"0": 2, "1": 1}),
        ("defect\n0\n1\n0\n", None, {"0": 2, "1": 1}),
        ("cat\ndog\ncat\n", None, {"cat": 2, "dog": 1}),
        ("animal\ncat\ndog\ncat\n", None, {"cat": 2, "dog": 1}),
        (",label\n0,5\n1,6\n2,5\n", None, {"5": 2, "6": 1}),
        (",0\n0,5\n1,6\n2,5\n", "0", {"5": 2, "6": 1}),
        ('text,label\n"a, ""b""\nc",1\nx,0\n', None, {"0": 1, "1": 1}),
        ('"a,b",c\n"x,y",0\nz,1\n', "a,b", {"x,y": 1, "z": 1}),
        ("x,y\n0.5,0\n1.5,1\n\n\n", None, {"0": 1, "1": 1}),
        ("score;label\n0,5;1\n0,7;0\n", None, {"0": 1, "1": 1}),
        ("label\n 1 \n0\n 1\n", None, {"0": 1, "1": 2}),
        ("label\nja\nnön\nja\n", None, {"ja": 2, "nön": 1}),
        ("label\n-100\n0\n1\n", None, {"0": 1, "1": 1}),
    ],
)
def test_csv(text, content, column, expected):
    assert counted(read(text("y.csv", content), column=column)) == expected


def test_csv_says_what_it_assumed(text):
    assert read(text("y.csv", "id,label\n1,0\n2,1\n")).assumptions == (
        "column 'label' holds the labels (no column was named)",
    )
    assert read(text("z.csv", "id,label\n1,0\n2,1\n"), column="label").assumptions == ()


def test_csv_longer_than_the_sample(text):
    content = "id,label\n" + "".join(f"{i},{int(i % 50 == 0)}\n" for i in range(5000))
    assert counted(read(text("y.csv", content))) == {"0": 4900, "1": 100}
    with pytest.raises(InputError, match=r"y\.csv:5002: expected 2 columns, but got 1"):
        read(text("y.csv", content + "x\n"))


def test_csv_indicator(text):
    content = "id,crack,dent\n7,0,1\n8,1,1\n9,0,0.0\n"
    labels = read(text("y.csv", content), kind="indicator", column="crack, dent")
    assert (labels.kind, counted(labels), labels.rows) == ("indicator", {"crack": 1, "dent": 2}, 3)
    labels = read(text("z.csv", "0,1\n1,1\n"), kind="indicator")
    assert (counted(labels), labels.rows) == ({"0": 1, "1": 2}, 2)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6), st.sampled_from("abc")
        ),
        min_size=4,
        max_size=30,
    ),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_the_csv_module_writes_is_read_back(rows, delimiter, end, tmp_path_factory):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["note", "label"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "y.csv"
    path.write_bytes(stream.getvalue().encode())
    expected = {name: n for name in "abc" if (n := sum(label == name for _, label in rows))}
    if len(expected) > 1:
        assert counted(read(path)) == expected
    else:
        with pytest.raises(InputError, match="only class"):
            read(path)


PARQUET = {
    "int": Y,
    "bool": Y == 1,
    "float": Y.astype(float),
    "uint8": Y.astype(np.uint8),
    "text": [f"c{i}" for i in Y],
}


@pytest.mark.parametrize("name", PARQUET)
@pytest.mark.parametrize("dictionary", [False, True])
def test_parquet(tmp_path, name, dictionary):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    values = pa.array(PARQUET[name])
    if dictionary:
        values = values.dictionary_encode()
    pq.write_table(pa.table({"label": values, "id": np.arange(8)}), tmp_path / "y.parquet", row_group_size=3)
    expected = {"bool": {"0": 6, "1": 2}, "text": {f"c{k}": n for k, n in COUNTS.items()}}.get(name, COUNTS)
    assert counted(read(tmp_path / "y.parquet")) == expected


def test_parquet_sequences_and_indicators(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"tags": [[0, 1, -100], [0, 0, 0], [2]]}), tmp_path / "s.parquet")
    labels = read(tmp_path / "s.parquet")
    assert (counted(labels), labels.ignored, labels.rows_per_sample) == ({"0": 4, "1": 1, "2": 1}, 1, 2)
    pq.write_table(pa.table({"a": [0, 1], "b": [True, True]}), tmp_path / "i.parquet")
    labels = read(tmp_path / "i.parquet", kind="indicator")
    assert (counted(labels), labels.rows) == ({"a": 1, "b": 2}, 2)


# --- text and counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0\n1\n0", {"0": 2, "1": 1}),
        ("label\n0\n1\n0\n\n\n", {"0": 2, "1": 1}),
        ("# written by a script\n0\n1\n", {"0": 1, "1": 1}),
        ("\ufeffcat\r\ndog, brown\r\ncat\r\n", {"cat": 2, "dog, brown": 1}),
    ],
)
def test_text(text, content, expected):
    assert counted(read(text("y.txt", content))) == expected


def test_text_of_numpy(tmp_path):
    np.savetxt(tmp_path / "y.txt", Y)
    assert counted(read(tmp_path / "y.txt")) == COUNTS


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("y.json", '{"0": 99000, "1": 1000}', {"0": 99000, "1": 1000}),
        ("y.json", '{"counts": {"ok": 5, "bad": 3}}', {"bad": 3, "ok": 5}),
        ("y.json", '{"counts": 5, "other": 3}', {"counts": 5, "other": 3}),
        ("y.json", '{"0": 5, "1": 3, "-100": 9}', {"0": 5, "1": 3}),
        ("y.json", '{"0": 5, "1": 3, "2": 0}', {"0": 5, "1": 3, "2": 0}),
        ("y.json", "[0, 1, 1, 0, 1]", {"0": 2, "1": 3}),
        ("y.json", '["a", "b", "b"]', {"a": 1, "b": 2}),
        ("y.json", "[true, false, false]", {"0": 2, "1": 1}),
        ("y.json", "[[0, 1], [1, 1], [0, 0]]", {"0": 1, "1": 2}),
        ("y.json", "\ufeff[0.0, 1.0]", {"0": 1, "1": 1}),
        ("y.yaml", "0: 99000\n1: 1_000\n", {"0": 99000, "1": 1000}),
        ("y.yml", "# rare\ncounts:\n  yes: 5\n  'no': 3\n", {"no": 3, "yes": 5}),
        ("y.yaml", "{a: 5, b: 3}", {"a": 5, "b": 3}),
        ("y.yaml", "- 0\n- 1\n- 1\n", {"0": 1, "1": 2}),
        ("y.yaml", "---\non: 4\n1e-3: 5\n", {"1e-3": 5, "on": 4}),
    ],
)
def test_counts(text, name, content, expected):
    assert counted(read(text(name, content))) == expected


@settings(max_examples=60, deadline=None)
@given(
    counts=st.dictionaries(
        st.text("abcdefxyz_", min_size=1, max_size=8).filter(lambda s: s not in {"nan", "na", "null"}),
        st.integers(1, 10**9),
        min_size=2,
        max_size=8,
    )
)
def test_counts_written_by_real_libraries(counts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts")
    (folder / "y.json").write_text(json.dumps(counts), encoding="utf-8")
    (folder / "y.yaml").write_text(yaml.safe_dump(counts), encoding="utf-8")
    for name in ("y.json", "y.yaml"):
        assert counted(read(folder / name)) == dict(sorted(counts.items()))


# --- choosing the reader, several files, pipes ----------------------------------------------------------


def test_readers_are_found_by_discovery():
    assert set(base.readers()) == {
        "npy",
        "npz",
        "delimited",
        "parquet",
        "text",
        "counts",
        "torch_file",
        "safetensors",
    }
    suffixes = [suffix for reader in base.readers().values() for suffix in reader.suffixes]
    assert len(set(suffixes)) == len(suffixes)


def contents():
    """Return the same labels in every format that can come without a name."""
    npy = io.BytesIO()
    np.save(npy, Y)
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(Y))
    return {
        "npy": npy.getvalue(),
        "json counts": json.dumps(COUNTS).encode(),
        "json list": json.dumps(Y.tolist()).encode(),
        "yaml": yaml.safe_dump(COUNTS).encode(),
        "csv": f"id,label\n{rows}".encode(),
        "tsv": f"id,label\n{rows}".replace(",", "\t").encode(),
        "text": "".join(f"{label}\n" for label in Y).encode(),
    }


@pytest.mark.parametrize("form", contents())
def test_standard_input(monkeypatch, form):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(contents()[form])))
    labels = read("-")
    assert (counted(labels), labels.source) == (COUNTS, "-")


@pytest.mark.parametrize("form", contents())
def test_a_file_without_a_known_suffix(text, form):
    assert counted(read(text("labels.dat", contents()[form]))) == COUNTS


def test_archives_without_a_known_suffix(tmp_path):
    np.savez(tmp_path / "y", y=Y)
    (tmp_path / "y.npz").rename(tmp_path / "y")
    assert counted(read(tmp_path / "y")) == COUNTS


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(contents()["npy"]))
    writer.start()
    assert counted(read(pipe)) == COUNTS
    writer.join()


def test_a_pipe_cut_short(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(contents()["npy"][:-3])))
    with pytest.raises(
        InputError, match=r"^-: expected 64 bytes of labels, but got 61; the file is truncated"
    ):
        read("-")


def test_formats_that_need_a_file(monkeypatch):
    stream = io.BytesIO()
    np.savez(stream, y=Y)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stream.getvalue())))
    with pytest.raises(InputError, match="as a file, but got a pipe"):
        read("-")


def test_files_of_several_formats_add_up(text, tmp_path):
    np.save(tmp_path / "a.npy", Y)
    paths = [tmp_path / "a.npy", text("b.txt", "1\n2\n"), text("c.json", '{"0": 10, "3": 1}')]
    labels = read_labels([str(path) for path in paths])
    assert counted(labels) == {"0": 15, "1": 3, "2": 2, "3": 1}
    assert labels.source == ", ".join(map(str, paths))


def test_many_files_are_named_by_the_first_and_the_last(tmp_path):
    for number in range(5):
        np.save(tmp_path / f"part{number}.npy", np.array([number % 2, 0]))
    labels = read(tmp_path / "part?.npy")
    assert (labels.rows, labels.source) == (10, f"{tmp_path}/part0.npy ... {tmp_path}/part4.npy (5 files)")


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    np.save(tmp_path / "y[1].npy", Y)
    assert counted(read(tmp_path / "y[1].npy")) == COUNTS


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (np.array([0, 1]), np.array([[0, 1], [1, 0]]), "one class per row"),
        (np.array([0, 1]), np.array(["a", "b"]), "names"),
        (np.array([[0, 1], [1, 0]]), np.array([[0, 1, 0], [1, 0, 0]]), "2 columns"),
        (np.array([-1, 1]), np.array([0, 1]), "-1"),
    ],
)
def test_files_that_do_not_go_together(tmp_path, one, other, says):
    np.save(tmp_path / "one.npy", one)
    np.save(tmp_path / "other.npy", other)
    with pytest.raises(InputError, match=says) as refused:
        read_labels([str(tmp_path / "one.npy"), str(tmp_path / "other.npy")])
    assert "one.npy" in str(refused.value)
    assert "other.npy" in str(refused.value)


def test_sequences_of_different_lengths(tmp_path):
    np.save(tmp_path / "one.npy", np.array([[0, 1, 2, 2]] * 5))
    np.save(tmp_path / "other.npy", np.array([[0, 2]] * 5))
    labels = read(tmp_path / "*.npy")
    assert labels.rows_per_sample == 3
    assert any("mean length" in told for told in labels.assumptions)


def test_progress_ends_at_the_size(tmp_path, text):
    np.save(tmp_path / "a.npy", np.arange(400_000) % 2)
    paths = [tmp_path / "a.npy", text("b.csv", "y\n" + "0\n1\n" * 100)]
    seen = []
    read_labels([str(p) for p in paths], progress=lambda done, total: seen.append((done, total)))
    total = sum(p.stat().st_size for p in paths)
    assert {t for _, t in seen} == {total}
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert total * 0.99 < done[-1] <= total


def test_the_start_stays_light(tmp_path):
    np.save(tmp_path / "y.npy", Y)
    script = (
        "import sys; from imbalance_doctor.sources.labels import read_labels; read_labels(sys.argv[1:])\n"
        "heavy = {'torch', 'scipy', 'pandas', 'pyarrow', 'yaml', 'zipfile', 'pickletools'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "y.npy")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("name", ["htru2", "oil_spill"])
def test_real_sets(name):
    path = ROOT.parent / "shared" / "data" / f"{name}.npz"
    if not path.exists():
        pytest.skip("the shared data sets are not here")
    y = np.load(path)["y"]
    assert read(path, key="y").counts.tolist() == np.bincount(y).tolist()
