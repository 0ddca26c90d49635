"""Score dumps in every format, written by the formats' own libraries; and unusable ones."""

import importlib.util
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_SPEC = importlib.util.spec_from_file_location(
    "malformed_labels", Path(__file__).parents[1] / "labels" / "malformed.py"
)
labels = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(labels)


def write_npz(path, arrays):
    np.savez(path, **arrays)


def write_compressed(path, arrays):
    np.savez_compressed(path, **arrays)


def write_torch(path, arrays):
    import torch

    torch.save({name: torch.from_numpy(np.asarray(values)) for name, values in arrays.items()}, path)


def write_safetensors(path, arrays):
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, path)


def write_parquet(path, arrays):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {n: list(v) if np.ndim(v) > 1 else np.asarray(v) for n, v in arrays.items()}
    pq.write_table(pa.table(columns), path, row_group_size=700)


def plain(values):
    """Return an array as Python numbers that hold its values exactly."""
    values = np.asarray(values)
    return (values.astype(float) if values.dtype.kind == "f" else values).tolist()


def write_jsonl(path, arrays):
    names = list(arrays)
    rows = zip(*(plain(values) for values in arrays.values()), strict=True)
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))


def write_table(path, arrays, separator=","):
    columns = {}
    for name, values in ((name, np.asarray(values)) for name, values in arrays.items()):
        if values.ndim == 1:
            columns[name] = plain(values)
        else:
            columns.update({f"{name}_{c}": plain(values[:, c]) for c in range(values.shape[1])})
    lines = [separator.join(columns)]
    lines += [separator.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")


def write_tsv(path, arrays):
    write_table(path, arrays, "\t")


FORMATS = {
    "npz": ("run.npz", write_npz),
    "compressed npz": ("run_z.npz", write_compressed),
    "pt": ("run.pt", write_torch),
    "safetensors": ("run.safetensors", write_safetensors),
    "parquet": ("run.parquet", write_parquet),
    "jsonl": ("run.jsonl", write_jsonl),
    "csv": ("run.csv", write_table),
    "tsv": ("run.tsv", write_tsv),
}


def block(rank=0, crc=None, data=None, header=None, **columns):
    """Return one block as the documentation of the format has it, made without the recorder."""
    kinds = {"f4": "F32", "f8": "F64", "i8": "I64", "i1": "I8", "b1": "BOOL"}
    metadata = {
        "format": "imbalance-doctor scores",
        "version": "1",
        "scores_are": "logits",
        "kind": "binary",
        "rank": str(rank),
        "ignore_index": "-100",
        **columns.pop("metadata", {}),
    }
    entries, raw = {}, b""
    for name, values in ((name, np.asarray(values)) for name, values in columns.items()):
        end = len(raw) + values.nbytes
        kind = kinds[values.dtype.str[1:]]
        entries[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [len(raw), end]}
        raw += values.tobytes()
    raw = raw if data is None else data
    metadata["crc32"] = str(zlib.crc32(raw)) if crc is None else crc
    text = json.dumps({"__metadata__": metadata, **entries}).encode() if header is None else header
    return struct.pack("<Q", len(text)) + text + raw


def binary_block(steps, rank=0, **more):
    """Return a block of one row per step, whose scores say where they came from: 1000 * rank + row."""
    rows = len(steps)
    return block(
        rank,
        scores=(1000.0 * rank + np.arange(rows)).reshape(-1, 1).astype("f4"),
        targets=np.arange(rows) % 2,
        step=np.asarray(steps, np.int64),
        **more,
    )


class Case(NamedTuple):
    """One unusable dump.

    `content` is what the file holds, or a function of its path that makes it; `says` must occur in the
    message; `options` are keyword arguments of ``read_scores``.
    """

    name: str
    file: str
    content: Any
    says: str
    options: dict[str, Any] = {}  # noqa: RUF012  never written to


LOGITS = np.array([-1.5, 0.25, 3.0, -0.5], "f4")
TARGETS = np.array([0, 1, 0, 1])
GOOD = {"logits": LOGITS, "targets": TARGETS}
THREE = np.arange(12, dtype="f4").reshape(4, 3)
ONES = np.eye(4, 3, dtype=np.int8)
FLAT = np.array([0.1, 0.9, 0.5, 0.25])
STEPS = np.arange(4)

# What is wrong whatever the format: arrays, and what the message must say.
_FAULTS = {
    "no targets": ({"logits": LOGITS, "other": TARGETS}, "of targets"),
    "no scores": ({"other": LOGITS, "targets": TARGETS}, "of scores"),
    "two targets": (GOOD | {"labels": TARGETS}, "of targets (targets, labels, y), but found several"),
    "two scores": ({"scores": LOGITS, "y_score": LOGITS, "targets": TARGETS}, "several: scores, y_score"),
    "two logits": (GOOD | {"logit": LOGITS}, "several"),
    "scale unknown": ({"scores": FLAT, "targets": TARGETS}, "--scores-are"),
    "no probability": ({"probs": LOGITS, "targets": TARGETS}, "probabilities from 0 to 1"),
    "NaN target": (GOOD | {"targets": np.array([0, 1, np.nan, 1])}, "a target in every row"),
    "soft target": (GOOD | {"targets": FLAT}, "soft targets"),
    "infinite target": (GOOD | {"targets": np.array([0, 1, np.inf, 1])}, "whole numbers as targets"),
    "signed targets": (GOOD | {"targets": np.array([-1, 1, -1, 1])}, "save y > 0"),
    "shifted targets": (GOOD | {"targets": np.array([1, 2, 1, 2])}, "save y - 1"),
    "other ignore index": (GOOD | {"targets": np.array([0, 255, 0, 1])}, "--ignore-index 255"),
    "all ignored": (GOOD | {"targets": np.full(4, -100)}, "ignore index"),
    "class beyond": ({"logits": THREE, "targets": np.array([0, 1, 2, 3])}, "targets from 0 to 2"),
    "other widths": ({"logits": THREE, "targets": ONES[:, :2]}, "3 and 2"),
    "indicator of 2": ({"logits": THREE, "targets": ONES * 2}, "targets 0 or 1"),
    "fraction of a step": (GOOD | {"step": FLAT}, "whole numbers as step"),
    "NaN step": (GOOD | {"step": np.array([0, 1, np.nan, 3])}, "whole numbers as step"),
    "NaN epoch": (GOOD | {"epoch": np.array([0, 1, np.nan, 3])}, "an epoch in every row"),
    "iid of 2": (GOOD | {"iid": np.array([0, 1, 2, 1])}, "0 or 1 as iid"),
    "huge sample": (GOOD | {"sample": np.array([0, 1, 1e300, 1])}, "whole numbers as sample"),
}
_GAP = {"logit_0": LOGITS, "logit_2": LOGITS, "targets": TARGETS}


def _of_arrays():
    for format_name, (file, write) in FORMATS.items():
        for fault, (arrays, says) in {**_FAULTS, "gap": (_GAP, "without gaps")}.items():
            content = lambda path, write=write, arrays=arrays: write(path, arrays)  # noqa: E731
            yield Case(f"{format_name}: {fault}", file, content, says)


def npz(**arrays):
    """Return the bytes of an uncompressed ``.npz``."""
    return labels.npz(False, **arrays)


def pair(scores, targets, name="targets.npy"):
    """Return a function that writes scores and, beside them, targets."""

    def write(path):
        path.write_bytes(labels.npy(scores))
        path.with_name(name).write_bytes(labels.npy(targets))

    return write


def torch_file(value):
    """Return a function that saves a value with torch."""

    def write(path):
        import torch

        torch.save(value, path)

    return write


def parquet_types(**types):
    """Return a function that writes a Parquet file of these columns, given as pyarrow arrays' arguments."""

    def write(path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = {
            name: pa.array(values, kind and (getattr(pa, kind)() if isinstance(kind, str) else kind(pa)))
            for name, (values, kind) in types.items()
        }
        pq.write_table(pa.table(arrays), path)

    return write


def folder(**files):
    """Return a function that makes a folder of files."""

    def write(path):
        path.mkdir()
        for name, content in files.items():
            (path / f"{name}.stb").write_bytes(content)

    return write


def cut_parquet(path):
    """Write a Parquet file and cut its end off."""
    write_parquet(path, GOOD)
    path.write_bytes(path.read_bytes()[:-20])


def packed_by_lzma(path):
    """Write an archive that is packed otherwise than numpy does."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, values in GOOD.items():
            archive.writestr(f"{name}.npy", labels.npy(values))


def fortran_compressed(path):
    """Write a large compressed array whose columns lie one after the other."""
    np.savez_compressed(
        path, logits=np.zeros((3_000_000, 6), "f4", order="F"), targets=np.zeros(3_000_000, np.int8)
    )


LISTS = lambda pa: pa.list_(pa.float32())  # noqa: E731
BLOCK = binary_block([0, 1, 2, 3])
DAMAGED = BLOCK[:-9] + bytes([BLOCK[-9] ^ 1]) + BLOCK[-8:]
_ENTRY = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
_HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
_ONE = b"logit,target\n"

_OTHERS = [
    # npy pairs
    Case("npy alone", "scores.npy", labels.npy(LOGITS), "--targets"),
    Case("npy without a word", "run.npy", labels.npy(LOGITS), "--targets"),
    Case("npy targets missing", "run.npy", labels.npy(LOGITS), "there is none", {"targets": "nowhere.npy"}),
    Case("npy targets are a folder", "run.npy", labels.npy(LOGITS), "directory", {"targets": "/"}),
    Case("npy of other length", "scores.npy", pair(LOGITS, TARGETS[:3]), "expected 4 rows"),
    Case("npy of no rows", "scores.npy", pair(LOGITS[:0], TARGETS[:0]), "empty array"),
    Case("npy of one value", "scores.npy", pair(np.float32(1), TARGETS), "scores [N] or [N, C]"),
    Case("npy of three axes", "scores.npy", pair(np.zeros((4, 2, 2)), TARGETS), "flatten"),
    Case("npy without columns", "scores.npy", pair(np.zeros((4, 0)), TARGETS), "columns"),
    Case("npy too many classes", "scores.npy", pair(np.zeros((1, 100_001), "f4"), [0]), "100,000 columns"),
    Case("npy of objects", "scores.npy", pair(np.array([1.0, None], object), TARGETS), "never unpickled"),
    Case("npy of text", "scores.npy", pair(np.array(["a", "b"]), TARGETS), "as numbers"),
    Case("npy of complex", "scores.npy", pair(np.zeros(4, complex), TARGETS), "as numbers"),
    Case("npy of long double", "scores.npy", pair(np.zeros(4, np.longdouble), TARGETS), "as numbers"),
    Case("npy of dates", "scores.npy", pair(np.zeros(4, "M8[s]"), TARGETS), "as numbers"),
    Case("npy structured", "scores.npy", pair(np.zeros(4, [("a", "f4")]), TARGETS), "as numbers"),
    Case("npy targets of text", "scores.npy", pair(LOGITS, np.array(["a", "b", "a", "b"])), "class ids"),
    Case("npy targets of objects", "scores.npy", pair(LOGITS, np.array([0, None], object)), "unpickled"),
    Case("npy bool of 7", "scores.npy", pair(LOGITS, np.array([0, 1, 7, 0], "u1").view(bool)), "bool"),
    Case("npy huge unsigned", "scores.npy", pair(LOGITS, np.full(4, 2**64 - 1, "u8")), "below 2**63"),
    Case("npy cut", "scores.npy", labels.npy(LOGITS)[:-2], "--targets"),
    Case("npy huge claim", "run.npy", labels.header(_HUGE) + bytes(64), "truncated", {"targets": "SELF"}),
    Case("npy is a pickle", "scores.npy", b"\x80\x04K\x01.", "save the scores as .npy"),
    Case("npy code", "run.npy", labels.header("__import__('os')"), ".npy header", {"targets": "SELF"}),
    Case("targets for an npz", "run.npz", npz(**GOOD), "leave --targets out", {"targets": "SELF"}),
    # npz
    Case("npz cut", "run.npz", npz(**GOOD)[:-30], "zip"),
    Case("npz of nothing", "run.npz", labels.zipped(), "found: none"),
    Case("npz other length", "run.npz", npz(logits=LOGITS, targets=TARGETS[:3]), "expected 4 rows"),
    Case("npz step of other length", "run.npz", npz(**GOOD, step=STEPS[:2]), "expected 4 rows"),
    Case("npz step of two axes", "run.npz", npz(**GOOD, step=np.zeros((4, 2), int)), "one value per row"),
    Case("npz step of text", "run.npz", npz(**GOOD, step=np.array(list("abcd"))), "as numbers"),
    Case("npz objects", "run.npz", npz(logits=np.array([0, None], object), targets=TARGETS), "unpickled"),
    Case("npz name twice", "run.npz", npz(**GOOD, LOGITS=LOGITS), "twice"),
    Case("npz both ways", "run.npz", npz(**GOOD, logits_0=LOGITS), "but got both"),
    Case("npz broken member", "run.npz", labels.zipped(("logits.npy", b"no"), ("y.npy", b"no")), "header"),
    Case(
        "npz short member",
        "run.npz",
        labels.zipped(("logits.npy", labels.npy(LOGITS)[:-4]), ("y.npy", labels.npy(TARGETS))),
        "expected 16 bytes",
    ),
    Case(
        "npz bomb",
        "run.npz",
        labels.zipped(("logits.npy", labels.npy(LOGITS)), ("y.npy", labels.npy(TARGETS)), declared=2**31),
        "zip bomb",
    ),
    Case("npz damaged", "z.npz", labels.npz(**GOOD).replace(b"PK\x01\x02", b"PK\x01\x03"), "zip"),
    Case("npz packed by LZMA", "run.npz", packed_by_lzma, "stored or deflated"),
    Case("npz compressed in Fortran order", "run.npz", fortran_compressed, "ascontiguousarray"),
    Case(
        "npz another ignore index",
        "run.npz",
        npz(logits=LOGITS, targets=TARGETS - 100),
        "--ignore-index -100",
        {"ignore_index": -99},
    ),
    # tables
    Case("csv without header", "run.csv", b"0.5,1\n-2,0\n", "expected a header"),
    Case("csv without rows", "run.csv", _ONE, "only a header"),
    Case("csv empty", "run.csv", b"", "empty"),
    Case("csv words", "run.csv", _ONE + b"1.5,fraud\n-2,ok\n", "run.csv:2: expected a number as target"),
    Case("csv no score", "run.csv", _ONE + b"1.5,0\n,1\n", "run.csv:3: expected a number as logit"),
    Case("csv no target", "run.csv", _ONE + b"1.5,\n2,1\n", "run.csv:2"),
    Case("csv underscore", "run.csv", _ONE + b"1_5,0\n2,1\n", "'1_5'"),
    Case("csv decimal comma", "run.csv", b"logit;target\n1,5;0\n2,5;1\n", "'1,5'"),
    Case("csv short row", "run.csv", _ONE + b"1.5,0\n2\n", "run.csv:3"),
    Case("csv blank line", "run.csv", _ONE + b"1.5,0\n\n2,1\n", "run.csv:3"),
    Case("csv late fault", "run.csv", _ONE + b"1.5,0\n" * 500 + b"2,7\n", "run.csv:502"),
    Case("csv column twice", "run.csv", b"logit,target,target\n1.5,0,1\n", "distinct names"),
    Case("csv step twice", "run.csv", b"logit,target,step,step\n1.5,0,1,1\n", "distinct names"),
    Case("csv huge sample", "run.csv", b"logit,target,sample\n1.5,0,%d\n" % 2**70, "64 bits"),
    Case("csv huge score", "run.csv", _ONE + b"9" * 400 + b",0\n1,1\n", "of at most 64 bits"),
    Case("csv hexadecimal", "run.csv", _ONE + b"0x10,0\n1,1\n", "'0x10'"),
    Case("csv quote", "run.csv", _ONE + b'"1.5,0\n2,1\n', "quoting"),
    Case("csv Latin-1", "run.csv", _ONE + b"1.5,0\n\xf6,1\n", "UTF-8"),
    Case("csv one column", "run.csv", b"logit\n1.5\n2\n", "of targets"),
    Case(
        "csv logits as probabilities", "run.csv", _ONE + b"1.5,0\n", "0 to 1", {"scores_are": "probabilities"}
    ),
    # JSON lines
    Case("jsonl blank", "run.jsonl", b"{}\n", "of scores"),
    Case("jsonl syntax", "run.jsonl", b'{"logit": 1.5, "y": 0}\n{"logit": 1.5,\n', "run.jsonl:2"),
    Case("jsonl no object", "run.jsonl", b'{"logit": 1.5, "y": 0}\n[1, 0]\n', "run.jsonl:2"),
    Case("jsonl key missing", "run.jsonl", b'{"logit": 1.5, "y": 0}\n{"logit": 1}\n', "run.jsonl:2"),
    Case("jsonl key twice", "run.jsonl", b'{"logit": 1.5, "logit": 2, "y": 0}\n', "'logit' twice"),
    Case("jsonl null", "run.jsonl", b'{"logit": null, "y": 0}\n', "but got null"),
    Case("jsonl text", "run.jsonl", b'{"logit": "1.5", "y": 0}\n', "expected a number as logit"),
    Case("jsonl object inside", "run.jsonl", b'{"logit": {"a": 1}, "y": 0}\n', "expected a number"),
    Case("jsonl empty list", "run.jsonl", b'{"logit": [], "y": []}\n', "expected"),
    Case(
        "jsonl ragged", "run.jsonl", b'{"logits": [1, 2, 3], "y": 0}\n{"logits": [1], "y": 0}\n', "3 numbers"
    ),
    Case("jsonl nested", "run.jsonl", b'{"logits": [[1, 2]], "y": [0]}\n', "expected a number"),
    Case("jsonl huge", "run.jsonl", b'{"logit": ' + b"9" * 400 + b', "y": 0}\n', "of at most 64 bits"),
    Case("jsonl huge digits", "run.jsonl", b'{"logit": ' + b"9" * 5000 + b', "y": 0}\n', "huge"),
    Case("jsonl huge sample", "run.jsonl", b'{"logit": 2, "y": 0, "sample": %d}\n' % 2**70, "64 bits"),
    Case("jsonl deep", "run.jsonl", b'{"logit": ' + b"[" * 100_000 + b"\n", "deeply nested"),
    Case("jsonl endless line", "run.jsonl", b'{"logit": 1, "y": "' + b"x" * (2**20) + b'"}', "1 MiB"),
    Case("jsonl not UTF-8", "run.jsonl", b'{"logit": 1.5, "y": 0, "a": "\xff"}\n', "UTF-8"),
    Case("jsonl is a list", "run.jsonl", b"[1, 2]\n", "run.jsonl:1: expected an object"),
    # torch
    Case("pt legacy", "run.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(50), "torch 1.6"),
    Case(
        "pt runs a command",
        "run.pt",
        labels.pickled_torch(b"cos\nsystem\n(X\x04\x00\x00\x00truetR."),
        "os.sy",
    ),
    Case(
        "pt evaluates", "run.pt", labels.pickled_torch(b"c__builtin__\neval\n(X\x01\x00\x00\x001tR."), "never"
    ),
    Case("pt one tensor", "run.pt", labels.pickled_torch(labels.tensor_pickle()), "dict of tensors"),
    Case("pt list", "run.pt", labels.pickled_torch(b"]K\x01a."), "another value"),
    Case("pt pickle cut", "run.pt", labels.pickled_torch(labels.tensor_pickle()[:60]), "damaged"),
    Case("npy of random bytes", "run.npy", bytes([7, 255, 19, 200, 131, 10, 65]), "numpy.save(path, scores)"),
    Case("pt of random bytes", "run.pt", bytes([7, 255, 19, 200, 131, 10, 65]), "torch.save({'scores'"),
    Case("pt is an npz", "run.pt", npz(**GOOD), "rename it to .npz"),
    Case("pt cut", "run.pt", labels.pickled_torch(labels.tensor_pickle())[:-40], "zip"),
    Case("pt a model", "run.pt", torch_file({"model": {"weight": 1}, "epoch": 3}), "found: none"),
    # safetensors
    Case("safetensors cut", "a.safetensors", labels.safetensors(_ENTRY, bytes(16))[:30], "truncated"),
    Case("safetensors no entry", "a.safetensors", labels.safetensors(b"{}"), "found: none"),
    Case("safetensors broken", "a.safetensors", labels.safetensors(b'{"y": '), "JSON"),
    Case("safetensors odd entry", "a.safetensors", labels.safetensors(b'{"logits": 1, "y": []}'), "shape"),
    Case(
        "safetensors cut data",
        "a.safetensors",
        labels.safetensors(json.dumps({"logits": _ENTRY, "y": _ENTRY}).encode(), bytes(8)),
        "truncated",
    ),
    Case(
        "safetensors left over",
        "a.safetensors",
        labels.safetensors(json.dumps({"logits": _ENTRY, "y": _ENTRY}).encode(), bytes(20)),
        "end in .stb",
    ),
    Case("safetensors recorded twice", "a.safetensors", BLOCK + BLOCK, "end in .stb"),
    # parquet
    Case("parquet cut", "run.parquet", cut_parquet, "truncated"),
    Case(
        "parquet no rows",
        "run.parquet",
        parquet_types(logit=([], "float32"), y=([], "int64")),
        "without rows",
    ),
    Case(
        "parquet null score",
        "run.parquet",
        parquet_types(logit=([1.5, None], None), y=([0, 1], None)),
        "row 1",
    ),
    Case(
        "parquet null target",
        "run.parquet",
        parquet_types(logit=([1.5, 2], None), y=([None, 1], None)),
        "row 0",
    ),
    Case(
        "parquet words", "run.parquet", parquet_types(logit=([1.5, 2], None), y=(["a", "b"], None)), "string"
    ),
    Case("parquet dates", "run.parquet", parquet_types(logit=([1, 2], "date32"), y=([0, 1], None)), "date32"),
    Case(
        "parquet ragged",
        "run.parquet",
        parquet_types(logits=([[1.0, 2.0], [1.0]], None), y=([0, 1], None)),
        "long",
    ),
    Case(
        "parquet null inside",
        "run.parquet",
        parquet_types(logits=([[1.0, None], [1.0, 2.0]], None), y=([0, 1], None)),
        "hold no null",
    ),
    Case("parquet empty lists", "run.parquet", parquet_types(logits=([[]], LISTS), y=([0], None)), "long"),
    Case("parquet is text", "run.parquet", b"logit,y\n1.5,0\n", "expected a Parquet file"),
    # recorded
    Case("stb cut", "rank-00000.stb", BLOCK[:-1], "no block is complete"),
    Case("stb damaged", "rank-00000.stb", DAMAGED + BLOCK, "the file is damaged"),
    Case("stb damaged alone", "rank-00000.stb", DAMAGED, "no block is complete"),
    Case("stb other format", "a.stb", BLOCK + block(metadata={"format": "x"}, scores=LOGITS), "got 'x'"),
    Case("stb version 2", "a.stb", binary_block(STEPS, metadata={"version": "2"}), "newer version"),
    Case("stb other scale", "a.stb", binary_block(STEPS, metadata={"scores_are": "odds"}), "got 'odds'"),
    Case("stb other kind", "a.stb", binary_block(STEPS, metadata={"kind": "ranking"}), "got 'ranking'"),
    Case("stb rank of text", "a.stb", binary_block(STEPS, metadata={"rank": "first"}), "got 'first'"),
    Case("stb ignore of text", "a.stb", binary_block(STEPS, metadata={"ignore_index": "1e3"}), "got '1e3'"),
    Case("stb metadata of numbers", "a.stb", binary_block(STEPS, metadata={"rank": 0}), "metadata"),
    Case("stb two ranks", "a.stb", BLOCK + binary_block(STEPS, rank=1), "blocks of one kind"),
    Case(
        "stb kind does not fit",
        "a.stb",
        block(scores=THREE, targets=TARGETS, step=STEPS),
        "expected binary scores",
    ),
    Case("stb without targets", "a.stb", block(scores=LOGITS, step=STEPS), "expected targets"),
    Case("stb without scores", "a.stb", block(targets=TARGETS, step=STEPS), "expected scores"),
    Case("stb without step", "a.stb", block(scores=LOGITS, targets=TARGETS), "expected step"),
    Case("stb other lengths", "a.stb", block(scores=LOGITS, targets=TARGETS[:3], step=STEPS), "4 rows"),
    Case("stb no rows", "a.stb", block(scores=LOGITS[:0], targets=TARGETS[:0], step=STEPS[:0]), "empty"),
    Case("stb long header", "a.stb", BLOCK + struct.pack("<Q", 2**21) + bytes(2**21), "1 MiB"),
    Case("stb broken header", "a.stb", BLOCK + struct.pack("<Q", 5) + b"{oops", "JSON"),
    Case("stb header is a list", "a.stb", BLOCK + struct.pack("<Q", 2) + b"[]", "JSON object"),
    Case("stb is text", "a.stb", b"logit,y\n1.5,0\n", "expected a file of the recorder"),
    Case("folder of nothing", "run.scores", folder(), "holds no .stb"),
    Case("folder of begun files", "run.scores", folder(a=b"", b=BLOCK[:50]), "no file holds"),
    Case("folder of one begun file", "run.scores", folder(a=b""), "no block is complete"),
    Case(
        "folder of two widths",
        "run.scores",
        folder(
            a=BLOCK, b=block(1, metadata={"kind": "multiclass"}, scores=THREE, targets=TARGETS, step=STEPS)
        ),
        "1 columns of scores",
    ),
    Case(
        "folder of two scales",
        "run.scores",
        folder(
            a=BLOCK,
            b=block(1, metadata={"scores_are": "probabilities"}, scores=FLAT, targets=TARGETS, step=STEPS),
        ),
        "files of one scale",
    ),
    Case(
        "folder of two ignore indices",
        "run.scores",
        folder(a=BLOCK, b=binary_block(STEPS, rank=1, metadata={"ignore_index": "-1"})),
        "one ignore index",
    ),
    # any file
    Case("unknown binary", "run.bin", b"\x00\x01\x02\x03" * 9, "unknown binary"),
    Case("no file", "run.npz", None, "there is none"),
    Case("pattern without match", "*.npz", None, "matches no"),
    Case("HDF5", "run.h5", b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    Case("gzip", "run.csv.gz", b"\x1f\x8b" + bytes(20), "decompress"),
    Case("unknown scale", "run.npz", npz(**GOOD), "did you mean 'logits'", {"scores_are": "logit"}),
]


def malformed():
    """Yield every case."""
    yield from _of_arrays()
    yield from _OTHERS


def write(case, place):
    """Write the file of a case into a folder; return its path and the options, where SELF is that path."""
    path = Path(place) / case.file
    if callable(case.content):
        case.content(path)
    elif case.content is not None:
        path.write_bytes(case.content)
    return path, {name: str(path) if value == "SELF" else value for name, value in case.options.items()}
