"""The same dump through every format, and what each format has of its own."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreBlock, ScoreDump
from imbalance_doctor.sources.scores import labels_of, read_scores
from imbalance_doctor.sources.scores._parts import rows_per_block

_SPEC = importlib.util.spec_from_file_location("score_dumps", Path(__file__).with_name("dumps.py"))
dumps = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(dumps)

FORMATS = sorted(dumps.FORMATS)
COLUMNS = ("step", "epoch", "rank", "sample", "iid")


def whole(dump):
    """Return all rows of a dump, by name of the column; every pass over it must give the same."""
    passes = []
    for _ in range(2):
        blocks = list(dump.blocks())
        assert all(len(block) <= rows_per_block(dump.classes) for block in blocks)
        passes.append(
            {
                name: np.concatenate([getattr(block, name) for block in blocks])
                for name in ("scores", "targets", *COLUMNS)
                if getattr(blocks[0], name) is not None
            }
        )
    first, second = passes
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])
    assert len(first["scores"]) == len(first["targets"]) == dump.rows
    assert first["scores"].shape[1] == dump.classes
    assert dump.has_steps == ("step" in first)
    assert dump.has_ranks == ("rank" in first)
    assert dump.has_iid == ("iid" in first)
    return first


def read(place, name, arrays, **options):
    file, write = dumps.FORMATS[name]
    write(place / file, arrays)
    return read_scores([str(place / file)], **options)


def arrays_of(kind, rows, rng):
    """Return a dump with every column; the logits reach from tiny to infinite."""
    width = {"binary": 1, "multiclass": 4, "multilabel": 3}[kind]
    logits = rng.normal(size=(rows, width)).astype("f4") * 10.0 ** rng.integers(-20, 20, (rows, 1))
    logits = logits.astype("f4")
    logits[rng.integers(0, rows, 3), 0] = [np.nan, np.inf, -np.inf]
    targets = (
        rng.integers(0, 2, (rows, width)) if kind == "multilabel" else rng.integers(0, max(2, width), rows)
    )
    targets[rng.integers(0, rows, 5)] = -100
    return {
        "logits": logits[:, 0] if width == 1 else logits,
        "targets": targets,
        "step": np.arange(rows) // 7,
        "epoch": np.arange(rows) / rows,
        "rank": rng.integers(0, 4, rows),
        "sample": rng.integers(-(2**62), 2**62, rows),
        "iid": rng.random(rows) < 0.5,
    }


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_returns_what_was_written(name, kind, tmp_path):
    arrays = arrays_of(kind, 1500, np.random.default_rng(3))
    dump = read(tmp_path, name, arrays)
    assert (dump.kind, dump.scale, dump.ignore_index) == (kind, "logits", -100)
    assert dump.classes == {"binary": 1, "multiclass": 4, "multilabel": 3}[kind]
    found = whole(dump)
    np.testing.assert_array_equal(found.pop("scores"), arrays["logits"].reshape(1500, -1))
    assert found.keys() == {"targets", *COLUMNS}
    for column, values in found.items():
        np.testing.assert_array_equal(values, arrays[column], err_msg=column)
    assert found["targets"].dtype == (np.int8 if kind == "multilabel" else np.int64)
    assert found["iid"].dtype == bool
    assert found["epoch"].dtype == np.float64


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    scores=st_numpy.arrays(
        st.sampled_from(["<f2", "<f4", "<f8", ">f4", ">f8", "i1", "<i8", ">i2"]),
        st.tuples(st.integers(1, 40), st.integers(1, 4)),
    ),
    fortran=st.booleans(),
    compress=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_dtype_and_order(scores, fortran, compress, seed, tmp_path_factory):
    rows, width = scores.shape
    targets = np.random.default_rng(seed).integers(0, max(2, width), rows).astype(">i4")
    stored = np.asfortranarray(scores) if fortran else scores
    path = tmp_path_factory.getbasetemp() / "any.npz"
    (np.savez_compressed if compress else np.savez)(path, logits=stored, targets=targets)
    dump = read_scores([str(path)])
    found = whole(dump)
    expected = scores.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        if width == 2:
            kind = np.float64 if scores.dtype.itemsize == 8 else np.float32
            expected = (scores[:, 1:].astype(kind) - scores[:, :1].astype(kind)).astype(np.float64)
    np.testing.assert_array_equal(found["scores"], expected)
    np.testing.assert_array_equal(found["targets"], targets)


@pytest.mark.parametrize("name", FORMATS)
def test_two_columns_of_a_binary_problem(name, tmp_path):
    logits = np.array([[0.5, -1.5], [2.0, 4.0], [np.inf, 0.0]])
    found = read(tmp_path, name, {"logits": logits, "targets": [0, 1, 1]})
    np.testing.assert_array_equal(whole(found)["scores"][:, 0], [-2.0, 2.0, -np.inf])
    assert (found.kind, found.classes) == ("binary", 1)
    assert any("less that of class 0" in sentence for sentence in found.assumptions)
    probabilities = np.array([[0.75, 0.25], [0.125, 0.875], [1.0, 0.0]])
    found = read(tmp_path, name, {"probs": probabilities, "targets": [0, 1, 1]})
    np.testing.assert_array_equal(whole(found)["scores"][:, 0], [0.25, 0.875, 0.0])
    assert not any("add up" in sentence for sentence in found.assumptions)
    found = read(tmp_path, name, {"probs": probabilities * 0.9, "targets": [0, 1, 1]})
    assert any("do not add up to 1" in sentence for sentence in found.assumptions)


@pytest.mark.parametrize("name", FORMATS)
def test_the_scale_is_declared_named_or_plain(name, tmp_path):
    flat = np.array([0.0, 0.25, 1.0])
    y = [0, 1, 1]
    for arrays, scales in (
        ({"scores": flat, "y": y}, {None: None, "logits": "logits", "probabilities": "probabilities"}),
        ({"scores": flat - 1e-3, "y": y}, {None: "logits", "logits": "logits", "probabilities": None}),
        ({"scores": flat + 1e-3, "y": y}, {None: "logits", "probabilities": None}),
        ({"scores": flat + 1e-8, "y": y}, {None: None, "probabilities": "probabilities"}),
        ({"probs": flat, "y": y}, {None: "probabilities", "logits": "logits"}),
        ({"probs": flat * 2, "y": y}, {None: None, "logits": "logits"}),
        ({"logit": flat, "y": y}, {None: "logits", "probabilities": "probabilities"}),
        ({"scores": flat * np.nan, "y": y}, {None: None}),
    ):
        for declared, scale in scales.items():
            if scale is None:
                with pytest.raises(InputError):
                    read(tmp_path, name, arrays, scores_are=declared)
            else:
                assert read(tmp_path, name, arrays, scores_are=declared).scale == scale


def test_rounded_probabilities_are_clipped(tmp_path):
    dump = read(tmp_path, "npz", {"probs": np.array([-1e-7, 0.5, 1 + 1e-7, np.nan]), "y": [0, 1, 1, 0]})
    np.testing.assert_array_equal(whole(dump)["scores"][:, 0], [0, 0.5, 1, np.nan])


def test_logits_are_preferred_to_probabilities_beside_them(tmp_path):
    arrays = {"logits": dumps.LOGITS, "probs": dumps.FLAT, "y": dumps.TARGETS}
    np.testing.assert_array_equal(whole(read(tmp_path, "npz", arrays))["scores"][:, 0], dumps.LOGITS)
    dump = read(tmp_path, "npz", arrays, scores_are="probabilities")
    np.testing.assert_array_equal(whole(dump)["scores"][:, 0], dumps.FLAT)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32, np.int64])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_targets_of_any_dtype(dtype, shape, tmp_path):
    arrays = {"logits": dumps.LOGITS.reshape(shape), "label": dumps.TARGETS.astype(dtype).reshape(shape)}
    dump = read(tmp_path, "npz", arrays)
    np.testing.assert_array_equal(whole(dump)["targets"], dumps.TARGETS)
    assert dump.kind == "binary"


def test_the_ignore_index_may_be_any(tmp_path):
    for targets, ignore in (([0, 255, 1, 0], 255), ([0, -1, 1, 0], -1), ([0, -100, 1, 0], None)):
        dump = read(tmp_path, "npz", {"logits": dumps.LOGITS, "y": targets}, ignore_index=ignore)
        assert whole(dump)["targets"].tolist() == targets
        assert dump.ignore_index == (-100 if ignore is None else ignore)
    labels = np.array([[0, 255], [1, 1], [0, 1], [1, 0]])
    dump = read(tmp_path, "npz", {"logits": dumps.THREE[:, :2], "y": labels}, ignore_index=255)
    assert whole(dump)["targets"].tolist() == labels.tolist()


def test_one_hot_targets_are_not_guessed(tmp_path):
    dump = read(tmp_path, "npz", {"logits": dumps.THREE, "y": np.eye(3, dtype=int)[[0, 1, 2, 0]]})
    assert dump.kind == "multilabel"
    assert any("exactly one 1" in sentence for sentence in dump.assumptions)


def test_one_step_for_all_rows(tmp_path):
    for compress in (False, True):
        name = "compressed npz" if compress else "npz"
        found = whole(read(tmp_path, name, dumps.GOOD | {"step": np.int64(40), "epoch": np.float32(2)}))
        assert found["step"].tolist() == [40] * 4
        assert found["epoch"].tolist() == [2.0] * 4


def test_numbered_arrays(tmp_path):
    arrays = {f"logit_{c}": dumps.THREE[:, c] for c in (2, 0, 1)} | {"y": [0, 1, 2, 0]}
    np.testing.assert_array_equal(whole(read(tmp_path, "npz", arrays))["scores"], dumps.THREE)


def test_npy_with_named_targets_or_a_sibling(tmp_path):
    dumps.pair(dumps.LOGITS, dumps.TARGETS, "val_y_true.npy")(tmp_path / "val_logits.npy")
    for options in ({}, {"targets": str(tmp_path / "val_y_true.npy")}):
        dump = read_scores([str(tmp_path / "val_logits.npy")], **options)
        assert dump.scale == "logits"
        np.testing.assert_array_equal(whole(dump)["targets"], dumps.TARGETS)
    assert "beside" in read_scores([str(tmp_path / "val_logits.npy")]).assumptions[0]
    assert read_scores([str(tmp_path / "*.npy")]).rows == 4


def test_torch_views_and_bfloat16(tmp_path):
    import torch

    base = torch.arange(40.0).reshape(8, 5) / 3 - 4
    targets = torch.arange(8) % 2
    for scores in (
        base[:, 2],
        base[:, 1:2],
        base[::2, 3].repeat_interleave(2),
        base.T[1],
        base.bfloat16()[:, 0],
    ):
        torch.save(
            {"logits": scores, "targets": targets, "step": torch.tensor(3), "epoch": 1}, tmp_path / "v.pt"
        )
        found = whole(read_scores([str(tmp_path / "v.pt")]))
        np.testing.assert_array_equal(found["scores"][:, 0], scores.float().reshape(-1).numpy())
        assert found["step"].tolist() == [3] * 8
    for scores in (base.T.contiguous().T, base[:, 1:4], base.half(), base.double(), base.expand(8, 5)):
        classes = torch.arange(8) % 3
        torch.save({"logits": scores, "targets": classes}, tmp_path / "v.pt")
        found = whole(read_scores([str(tmp_path / "v.pt")]))
        np.testing.assert_array_equal(found["scores"], scores.numpy())


def test_safetensors_bfloat16(tmp_path):
    import torch
    from safetensors.torch import save_file

    scores = torch.linspace(-3, 3, 20).bfloat16()
    save_file({"logits": scores, "targets": (torch.arange(20) % 2).bool()}, tmp_path / "b.safetensors")
    found = whole(read_scores([str(tmp_path / "b.safetensors")]))
    np.testing.assert_array_equal(found["scores"][:, 0], scores.float().numpy())


def test_parquet_lists_of_fixed_size(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = pa.FixedSizeListArray.from_arrays(pa.array(dumps.THREE.ravel()), 3)
    pq.write_table(pa.table({"logits": lists, "y": [0, 1, 2, 0]}), tmp_path / "l.parquet")
    np.testing.assert_array_equal(whole(read_scores([str(tmp_path / "l.parquet")]))["scores"], dumps.THREE)


def test_table_spellings(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfY_Score; LABEL ;extra\r\n1.5; True ;x\r\n-Inf;false;y\r\nnan;1.0;z\r\n")
    dump = read_scores([str(path)])
    found = whole(dump)
    np.testing.assert_array_equal(found["scores"][:, 0], [1.5, -np.inf, np.nan])
    assert found["targets"].tolist() == [1, 0, 1]


def test_json_lines_spellings(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = [
        {"logits": [1, 2.5, float("nan")], "y": True},
        {"y": 2, "logits": [0, float("-inf"), 3], "note": "x"},
    ]
    path.write_text("\n\n".join(json.dumps(row) for row in rows))
    found = whole(read_scores([str(path)]))
    np.testing.assert_array_equal(found["scores"], [[1, 2.5, np.nan], [0, -np.inf, 3]])
    assert found["targets"].tolist() == [1, 2]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_labels_of_a_dump_are_counted_block_by_block(kind):
    rng = np.random.default_rng(0)
    classes = {"binary": 1, "multiclass": 4, "multilabel": 3}[kind]
    shape = (50, 3) if kind == "multilabel" else 50
    targets = rng.integers(0, {"binary": 2, "multiclass": 3, "multilabel": 2}[kind], shape)
    targets[::7] = -1
    parts = [ScoreBlock(scores=np.zeros((len(t), classes)), targets=t) for t in np.array_split(targets, 3)]
    dump = ScoreDump(
        rows=50, classes=classes, kind=kind, scale="logits", blocks=lambda: iter(parts), ignore_index=-1
    )
    found = labels_of(dump)
    rows = [row for row in targets.reshape(50, -1).tolist() if -1 not in row]
    assert (found.rows, found.ignored) == (len(rows), 50 - len(rows))
    twin = [
        sum(row[c] == 1 if kind == "multilabel" else row[0] == c for row in rows)
        for c in range(len(found.counts))
    ]
    assert found.counts.tolist() == twin
    assert len(found.classes) == {"binary": 2, "multiclass": 4, "multilabel": 3}[kind]
    assert found.positive == (1 if kind == "binary" else None)


def test_content_tells_the_format_where_the_suffix_does_not(tmp_path):
    for name in FORMATS:
        file, write = dumps.FORMATS[name]
        write(tmp_path / file, dumps.GOOD)
        (tmp_path / "dump").write_bytes((tmp_path / file).read_bytes())
        np.testing.assert_array_equal(
            whole(read_scores([str(tmp_path / "dump")]))["scores"][:, 0], dumps.LOGITS, err_msg=name
        )


_LARGE = """
import sys
import numpy as np
from imbalance_doctor.sources.scores import read_scores
dump = read_scores(sys.argv[1:])
total, ones = 0.0, 0
for block in dump.blocks():
    total += float(block.scores.sum(dtype=np.float64))
    ones += int(block.targets.sum())
peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
print(dump.rows, total, ones, int(peak) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no account of memory")
@pytest.mark.parametrize("compress", [False, True])
def test_twenty_million_rows_stay_on_disk(compress, tmp_path):
    rows, rng = 20_000_000, np.random.default_rng(0)
    scores = rng.standard_normal(rows, np.float32)
    targets = (rng.random(rows, np.float32) < 0.01).astype(np.int64)
    if compress:
        scores, targets = np.tile(scores[:1000], rows // 1000), np.tile(targets[:1000], rows // 1000)
        path = tmp_path / "run.npz"
        np.savez_compressed(path, logits=scores, targets=targets)
    else:
        path = tmp_path / "scores.npy"
        dumps.pair(scores, targets)(path)
    ran = subprocess.run(
        [sys.executable, "-c", _LARGE, str(path)], capture_output=True, text=True, check=True, timeout=300
    )
    found_rows, total, ones, mebibytes = map(float, ran.stdout.split())
    assert (found_rows, ones) == (rows, targets.sum())
    assert total == pytest.approx(scores.sum(dtype=np.float64), abs=1e-3)
    assert mebibytes < 200
