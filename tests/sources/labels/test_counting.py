"""Counting arrays: equal to a plain twin for every dtype, shape, order, shard and block edge."""

import contextlib
import io
import itertools
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels import _arrays, _count, merge, read_labels

ROOT = Path(__file__).parents[3]
INTEGERS = ["i1", "u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8", ">u8"]
FLOATS = ["<f2", "<f4", ">f4", "<f8", ">f8"]
RANGES = [
    (0, 1),
    (0, 3),
    (0, 12),
    (0, 255),
    (-128, 127),
    (-7, 300),
    (0, 3000),
    (0, 130_000),
    (-(2**31), 2**31 - 1),
]


@contextlib.contextmanager
def small_blocks():
    """Let a few values be enough to cross every block, window and thread boundary."""
    with (
        patch.multiple(_count, BLOCK=16, _CACHE_BYTES=64),
        patch.multiple(_arrays, _WINDOW=96, _STREAM_BUFFER=56, _THREADS_FROM=200),
    ):
        yield


def count(array, **options):
    """Count an array through its stored form in memory; return {value: rows}."""
    stored = _arrays.in_memory(array, "twin")
    labels = _arrays.count_array(stored, _arrays.Options(ignore_index=-999, **options))
    return dict(zip(labels.classes, labels.counts.tolist(), strict=True)), labels


def twin(array):
    """Count with a sort."""
    values, counts = np.unique(array, return_counts=True)
    return {
        str(int(v)) if array.dtype.kind != "U" else str(v): int(n)
        for v, n in zip(values, counts, strict=True)
    }


def save(folder, array, name="y.npy"):
    """Save an array; return its path as text."""
    path = Path(folder) / name
    np.save(path, array)
    return str(path)


@st.composite
def arrays(draw):
    dtype = np.dtype(draw(st.sampled_from([*INTEGERS, *FLOATS, "?"])))
    low, high = draw(st.sampled_from(RANGES))
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
    elif dtype.kind == "f":
        bounds = {2: (-(2**11), 2**11), 4: (-(2**24), 2**24), 8: (-(2**53), 2**53)}[dtype.itemsize]
        bounds = type("", (), {"min": bounds[0], "max": bounds[1]})
    else:
        bounds = type("", (), {"min": 0, "max": 1})
    size = draw(st.integers(1, 150))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = seed.integers(max(low, bounds.min), min(high, bounds.max), size, np.int64, endpoint=True)
    if draw(st.booleans()):  # mostly one class, as in real data
        values[seed.random(size) < 0.9] = values[0]
    return values.astype(dtype)


@settings(max_examples=300, deadline=None)
@given(array=arrays())
def test_values_equal_a_plain_twin(array):
    with small_blocks():
        found, labels = count(array)
    assert found == twin(array)
    assert labels.rows == len(array)


@settings(max_examples=60, deadline=None)
@given(array=arrays())
def test_large_blocks_equal_small_ones(array):
    with small_blocks():
        small = count(array)[0]
    assert count(array)[0] == small


@settings(max_examples=60, deadline=None)
@given(array=arrays(), fortran=st.booleans(), width=st.integers(1, 5))
def test_threads_over_a_file_equal_a_plain_twin(array, fortran, width, tmp_path_factory):
    shaped = np.resize(array, (max(1, len(array) // width), width))
    shaped = np.asfortranarray(shaped) if fortran else shaped
    path = save(tmp_path_factory.mktemp("threads"), shaped)
    expected = twin(shaped)
    expected.pop("-999", None)
    with small_blocks():
        try:
            labels = read_labels([path], ignore_index=-999, kind="sequence")
        except InputError:  # one class, negative labels, or what looks like row ids
            assert len(expected) in {1, shaped.size} or any(name.startswith("-") for name in expected)
            return
    assert dict(zip(labels.classes, labels.counts.tolist(), strict=True)) == expected


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(2, 60),
    columns=st.integers(2, 9),
    share=st.sampled_from([0.02, 0.3, 0.9]),
    dtype=st.sampled_from(["?", *INTEGERS, *FLOATS]),
    fortran=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_indicator_equals_a_plain_twin(rows, columns, share, dtype, fortran, seed):
    array = (np.random.default_rng(seed).random((rows, columns)) < share).astype(dtype)
    with small_blocks():
        stored = _arrays.in_memory(array.T if fortran else array, "twin")
        if fortran:  # the same values column by column
            stored = _arrays.StoredArray(
                where="twin", dtype=stored.dtype, shape=array.shape, fortran=True, stream=stored.stream
            )
        labels = _arrays.count_array(stored, _arrays.Options())
    assert labels.kind == "indicator"
    assert labels.rows == rows
    assert labels.counts.tolist() == [int(n) for n in array.astype(int).sum(axis=0)]


@pytest.mark.parametrize("size", [_count.BLOCK - 1, _count.BLOCK, _count.BLOCK + 1, 4 * _count.BLOCK + 3])
@pytest.mark.parametrize("dtype", ["i1", "<i8", "<f4"])
@pytest.mark.parametrize("classes", [2, 30, 700])
def test_real_block_edges(size, dtype, classes):
    array = (np.arange(size) * 7919 % min(classes, 128 if dtype == "i1" else classes)).astype(dtype)
    array[-1] = 1
    assert count(array)[0] == twin(array)


def test_a_late_new_class_is_found():
    array = np.zeros(10 * _count.BLOCK, np.int8)
    array[-1] = 5
    assert count(array)[0] == {"0": len(array) - 1, "5": 1}


def test_wide_columns():
    array = np.zeros((700, 5000), np.uint8)
    array[::3, 17] = 1
    array[:, 4999] = 1
    labels = count(array)[1]
    assert labels.counts.sum() == 234 + 700
    assert (labels.counts[17], labels.counts[4999]) == (234, 700)


def test_uint64_beyond_int64(tmp_path):
    array = np.array([2**63 + 5, 2**63 + 5, 2**64 - 1, 3], np.uint64)
    labels = read_labels([save(tmp_path, array)])
    assert labels.classes == ("3", str(2**63 + 5), str(2**64 - 1))
    assert labels.counts.tolist() == [1, 2, 1]
    assert labels.encoding == "gaps"


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8"])
def test_first_bad_float_among_threads(tmp_path, dtype):
    array = np.zeros(300, dtype)
    array[1] = 1
    array[[120, 121, 299]] = np.nan
    with small_blocks(), pytest.raises(InputError, match=r"3 NaN or infinite values, the first in row 120 "):
        read_labels([save(tmp_path, array)])


def test_bad_float_in_a_matrix_names_the_row(tmp_path):
    array = np.zeros((50, 4))
    array[31, 2] = 0.5
    for order in "CF":
        with pytest.raises(InputError, match=r"0\.5 in row 31 "):
            read_labels([save(tmp_path, np.asarray(array, order=order))])


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 5), min_size=2, max_size=80), cuts=st.lists(st.integers(0, 80), max_size=4)
)
def test_shards_add_up(labels, cuts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    edges = [0, *sorted({min(c, len(labels)) for c in cuts} - {0, len(labels)}), len(labels)]
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        save(folder, np.array(labels[start:end], np.int16), f"part{number}.npy")
    whole = save(folder, np.array(labels, np.int16), "whole.npy")
    if len(set(labels)) == 1:
        with pytest.raises(InputError, match="only class"):
            read_labels([f"{folder}/part*.npy"])
        return
    one, many = read_labels([whole]), read_labels([f"{folder}/part*.npy"])
    assert (one.classes, one.counts.tolist(), one.rows, one.positive, one.encoding, one.assumptions) == (
        many.classes,
        many.counts.tolist(),
        many.rows,
        many.positive,
        many.encoding,
        many.assumptions,
    )


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.lists(st.integers(-1, 6), min_size=1, max_size=20), min_size=3, max_size=3))
def test_merge_does_not_depend_on_order(parts):
    a, b, c = (count(np.array(part))[1] for part in parts)
    left, right = merge(merge(a, b), c), merge(a, merge(b, c))
    swapped = merge(c, merge(b, a))
    assert (left.classes, left.counts.tolist(), left.encoding, left.rows) == (
        right.classes,
        right.counts.tolist(),
        right.encoding,
        right.rows,
    )
    assert (left.classes, left.counts.tolist()) == (swapped.classes, swapped.counts.tolist())


def test_memory_stays_bounded(tmp_path):
    """400 MB of labels, in a file that is mostly a hole, counted with far less resident."""
    path = tmp_path / "y.npy"
    rows = 400_000_000
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|i1", "fortran_order": False, "shape": (rows,)})
        start = file.tell()
        file.truncate(start + rows)
        file.seek(start + rows - 3)
        file.write(b"\1\1\2")
    script = (
        "import sys; from imbalance_doctor.sources.labels import read_labels\n"
        "print(*read_labels(sys.argv[1:]).counts)\n"
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("resident memory is read from /proc")
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    counts, peak = ended.stdout.splitlines()
    assert counts == f"{rows - 3} 2 1"
    assert int(peak) / 1024 < 200


def test_a_stream_is_counted_in_blocks():
    """A pipe longer than memory would allow: only as much is held as one block."""
    size = 40_000_000
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|i1", "fortran_order": False, "shape": (size,)})
    largest = 0

    class Pipe(io.RawIOBase):
        left = head.getvalue()
        sent = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            nonlocal largest
            largest = max(largest, len(buffer))
            part = self.left[: len(buffer)] or bytes([self.sent > 0]) * min(len(buffer), size - self.sent)
            self.sent += 0 if self.left else len(part)
            self.left = self.left[len(buffer) :]
            buffer[: len(part)] = part
            return len(part)

    with patch.object(sys, "stdin", type("", (), {"buffer": io.BufferedReader(Pipe())})):
        labels = read_labels(["-"])
    assert labels.rows == size
    assert largest < 2**22
