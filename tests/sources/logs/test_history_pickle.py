import collections
import contextlib
import importlib.util
import io
import math
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.history_pickle import HistoryPickle

_SPEC = importlib.util.spec_from_file_location("tables", Path(__file__).with_name("tables.py"))
t = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(t)

KERAS = {"loss": [0.9, 0.8, math.nan], "val_loss": [1.0, math.inf, 0.8], "val_acc": [0, 1, 1]}


def _read(folder, content):
    file = t.log_file(t.write(folder, content, "history.pkl"))
    return list(HistoryPickle.read(file, Options()).records)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "make",
    [
        dict,
        collections.OrderedDict,
        lambda h: collections.defaultdict(list, h),
        lambda h: {k: [np.float32(v) for v in c] for k, c in h.items()},
        lambda h: {k: [np.float64(v) for v in c] for k, c in h.items()},
        lambda h: {k: np.array(c, ">f8") for k, c in h.items()},
        lambda h: {k: np.array(c, "f2") for k, c in h.items()},
        lambda h: {k: tuple(c) for k, c in h.items()},
        lambda h: [h],
        lambda h: {"history": h, "epoch": [0, 1, 2], "params": {"epochs": 3, "verbose": True, "x": None}},
    ],
)
def test_histories(tmp_path, protocol, make):
    parsed = t.parse(HistoryPickle, tmp_path, pickle.dumps(make(KERAS), protocol=protocol))
    assert [r.epoch for r in parsed.records] == [0, 1, 2]
    found = {key: [r.values[key] for r in parsed.records] for key in KERAS}
    tolerance = 1e-3
    for key, column in KERAS.items():
        assert found[key] == pytest.approx(column, rel=tolerance, nan_ok=True)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_type_and_order(tmp_path, protocol):
    for code in ("b1", "i1", "i4", ">i8", "u2", "f4"):
        value = {"loss": np.array([1, 0, 1], code), "acc": np.asfortranarray(np.arange(6).reshape(3, 2) / 8)}
        records = _read(tmp_path, pickle.dumps(value, protocol=protocol))
        if code != "b1":  # truth values are no numbers
            assert [r.values["loss"] for r in records] == [1, 0, 1]
        assert [(r.values["acc[0]"], r.values["acc[1]"]) for r in records] == [
            (0, 0.125), (0.25, 0.375), (0.5, 0.625),
        ]  # fmt: skip


def test_old_text_pickle_with_phases(tmp_path):
    text = (
        b"(dp0\nS'train'\np1\n(dp2\nS'loss'\np3\n(lp4\nF0.5\naF0.25\nasS'acc'\np5\n(lp6\nI1\naL2L\nass"
        b"S'val'\np7\n(dp8\nVloss\np9\n(lp10\nF0.75\naFnan\nass."
    )
    assert pickle.loads(text)["train"] == {"loss": [0.5, 0.25], "acc": [1, 2]}  # noqa: S301  our own
    first, second = _read(tmp_path, text)
    assert first.values == {"train/loss": 0.5, "train/acc": 1, "val/loss": 0.75}
    assert math.isnan(second.values["val/loss"])


class _Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(tmp_path, protocol):
    marker = tmp_path / "marker"
    for call in (_Runs(os.system, f"touch {marker}"), _Runs(eval, "1"), _Runs(bytearray, 10**12)):
        content = pickle.dumps({"loss": [0.5, 0.4, call]}, protocol=protocol)
        with pytest.raises(InputError, match="expected dicts, lists and numbers, but got") as caught:
            _read(tmp_path, content)
        assert "\n" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x80\x03ckeras.callbacks\nHistory\n)\x81.", "'keras.callbacks.History', which is never unpickled"),
        (b"\x80\x03cpandas.core.frame\nDataFrame\n)\x81.", "save the history as JSON or CSV"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.", "torch._utils"),
        (b"\x80\x03cbuiltins\ngetattr\n.", "getattr"),
        (b"\x80\x03cnumpy.core.multiarray\nfromfile\n.", "fromfile"),
        (b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\n.", "os.system"),
        (b"\x80\x03}(X\x04\x00\x00\x00lossP1\n.", "PERSID"),
        (b"\x80\x03\x82\x01.", "EXT1"),
        (b"(ios\nsystem\n.", "the opcode INST"),
        (b"\x80\x03]q\x00(K\x01K\x02e", "damaged"),
        (b"\x80\x03h\x05.", "damaged"),
        (b"\x80\x03.", "damaged"),
        (b"\x80\x03aaa.", "damaged"),
    ],
)
def test_what_is_refused(tmp_path, content, says):
    with pytest.raises(InputError) as caught:
        _read(tmp_path, content)
    assert says in str(caught.value)


def _scalar(data, code=b"f8"):
    return (
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00" + code + b"K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" + data + b"\x86R"
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.", id="bytes that are not there"),
        pytest.param(b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.", id="bytearray that is not there"),
        pytest.param(b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.", id="text that is not there"),
        pytest.param(b"\x80\x03]r" + struct.pack("<I", 2**32 - 1) + b"(K\x01e.", id="huge memo"),
        pytest.param(b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"].", id="huge frame"),
        pytest.param(b"\x80\x03" + _scalar(b"J\xff\xff\xff\x7f") + b".", id="scalar of a size"),
        pytest.param(b"\x80\x03" + _scalar(b"C\x02ab") + b".", id="scalar cut short"),
        pytest.param(b"\x80\x03" + _scalar(b"C\x08abcdefgh", b"O8") + b".", id="scalar of objects"),
        pytest.param(b"\x80\x03" + b"(" * 100_000 + b".", id="marks alone"),
        pytest.param(b"\x80\x03" + b"]" * 200_000 + b"a" * 199_999 + b".", id="deep nesting"),
        pytest.param(
            b"\x80\x03]q\x00(" + b"K\x01" * 100_000 + b"e0](" + b"cbuiltins\nlist\nh\x00\x85R" * 500 + b"e.",
            id="copies of copies",
        ),
        pytest.param(b"\x80\x03]q\x00h\x00a.", id="a list that holds itself"),
        pytest.param(b"\x80\x03}q\x00X\x04\x00\x00\x00lossh\x00s.", id="a dict that holds itself"),
        pytest.param(
            b"\x80\x03]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60)) + b".",
            id="billion laughs",
        ),
    ],
)
def test_bombs(tmp_path, content):
    tracemalloc.start()
    with contextlib.suppress(InputError):
        assert len(_read(tmp_path, content)) < 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x80\x09", b"epoch,loss\n0,1\n", b'{"loss": [1]}', b"(done)\n"]
)
def test_what_is_no_pickle(tmp_path, content):
    assert not t.recognises(HistoryPickle, tmp_path, content)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=30),
    protocol=st.integers(0, 5),
    numpy=st.booleans(),
)
def test_round_trip(tmp_path, columns, protocol, numpy):
    value = {
        key: list(column)
        for key, column in zip(("loss", "val_loss"), zip(*columns, strict=True), strict=True)
    }
    stored = {key: np.array(column) for key, column in value.items()} if numpy else value
    records = _read(tmp_path, pickle.dumps(stored, protocol=protocol))
    assert len(records) == len(columns)
    for record, row in zip(records, columns, strict=True):
        for key, expected in zip(("loss", "val_loss"), row, strict=True):
            assert record.values[key] == expected or math.isnan(expected)


def test_pickles_agree_with_the_standard_library(tmp_path):
    stream = io.BytesIO()
    pickle.dump({"loss": [1, 2.5, 2**40, -(2**70)], "acc": [True, None, "0.5", b"x"]}, stream)
    records = _read(tmp_path, stream.getvalue())
    assert [r.values["loss"] for r in records] == [1, 2.5, 2.0**40, -(2.0**70)]
    assert [r.values.get("acc") for r in records] == [None, None, 0.5, None]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_damage_is_survived(tmp_path, protocol):
    value = {"loss": [np.float32(0.5), 0.25], "val_loss": np.array([1.0, 2.0]), "acc": [0.5, 0.75]}
    t.survive(HistoryPickle, tmp_path, pickle.dumps(value, protocol=protocol), 400)
