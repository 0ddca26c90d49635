"""Label inputs that cannot be used: real files, each broken in one way, and what the error must say.

``malformed()`` yields the cases; ``prepare(case, folder)`` writes one and returns command-line arguments.
"""

import gzip
import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """One unusable input.

    `content` is what the file holds, or a function of its path that makes it; `says` must occur in the
    message; `options` are keyword arguments of ``read_labels``.
    """

    name: str
    file: str
    content: Any
    says: str
    options: dict[str, Any] = {}  # noqa: RUF012  never written to


def npy(array, **options):
    """Return the bytes of an ``.npy`` file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=True, **options)
    return stream.getvalue()


def header(text, version=(1, 0)):
    """Return an ``.npy`` file that consists of this header alone."""
    raw = text.encode() + b"\n"
    size = struct.pack("<H" if version[0] == 1 else "<I", len(raw))
    return b"\x93NUMPY" + bytes(version) + size + raw


def npz(compress=True, **arrays):
    """Return the bytes of an ``.npz`` file."""
    stream = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(stream, **arrays)
    return stream.getvalue()


def zipped(*members, declared=None):
    """Return a zip archive; `declared` is the size its directory claims for the first member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
        if declared is not None:
            archive.infolist()[0].file_size = declared
    return stream.getvalue()


def pickled_torch(opcodes, stored=None):
    """Return a torch archive whose ``data.pkl`` holds these opcodes, with the bytes `stored`."""
    archive = zipped(("archive/data.pkl", opcodes), ("archive/data/0", stored or bytes(24)))
    if stored is None:
        return archive
    plain = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(plain, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return plain.getvalue()


def tensor_pickle(storage=b"LongStorage", size=3, shape=3, stride=1):
    """Return the pickle that torch writes for a vector."""
    number = struct.Struct("<ci").pack
    return b"".join(
        [
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n",
            storage,
            b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + number(b"J", size) + b"tQK\x00",
            number(b"J", shape) + b"\x85" + number(b"J", stride) + b"\x85\x89",
            b"ccollections\nOrderedDict\n)RtR.",
        ]
    )


def safetensors(entry, data=b"", key="y"):
    """Return a safetensors file with one entry."""
    raw = json.dumps({key: entry}).encode() if not isinstance(entry, bytes) else entry
    return struct.pack("<Q", len(raw)) + raw + data


def parquet(**columns):
    """Return a function that writes a Parquet file."""

    def write(path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(columns), path)

    return write


def truncated_parquet(path):
    """Write a Parquet file and cut its end off."""
    parquet(y=[0, 1] * 100)(path)
    path.write_bytes(path.read_bytes()[:-20])


def sparse_header(path):
    """Write an array whose header claims far more than the file holds."""
    path.write_bytes(
        header("{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }") + bytes(64)
    )


HALVES = np.array([0.0, 0.5, 1.0]).tobytes()
Y = np.array([0, 1, 0, 0, 1])
GOOD = npy(Y)
FLOATS = np.array([0.0, 1.0, 0.0, np.nan, np.inf])
DEEP = b"[" * 100_000
RANDOM = bytes([7, 255, 19, 200, 131, 10, 65, 250, 144])
BOMB = b"a: &a [1, 1]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"
OVERLAPPING = {"dtype": "I64", "shape": [3], "data_offsets": [0, 16]}

_CASES = [
    # numpy
    Case("npy empty file", "y.npy", b"", "empty"),
    Case("npy magic alone", "y.npy", b"\x93NUMPY", "complete .npy header"),
    Case("npy header cut", "y.npy", GOOD[:40], "complete .npy header"),
    Case("npy data cut", "y.npy", GOOD[:-3], "truncated"),
    Case("npy no data", "y.npy", GOOD[:128], "truncated"),
    Case("npy data left over", "y.npy", GOOD + b"more", "expected 40 bytes"),
    Case("npy of text", "y.npy", b"0\n1\n0\n", "rename it to .txt"),
    Case("npy of random bytes", "y.npy", RANDOM, r"begins with \x93NUMPY; numpy.save(path, y) writes it"),
    Case("npz of random bytes", "y.npz", RANDOM, "numpy.savez"),
    Case("npy of random bytes and NUL", "y.npy", RANDOM + bytes(3), "numpy.save"),
    Case("npy of control characters", "y.npy", b"\x01\x02\x03", "numpy.save"),
    Case("npy is a zip", "y.npy", npz(y=Y), "rename it to .npz"),
    Case("npy is gzip", "y.npy", gzip.compress(GOOD), "decompress"),
    Case("npy is a pickle", "y.npy", b"\x80\x04\x95" + bytes(20), "pickle"),
    Case("npy is HDF5", "y.npy", b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    Case(
        "npy is git-lfs",
        "y.npy",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "git lfs pull",
    ),
    Case("npy format 9", "y.npy", header("{}", (9, 0)), "9.0"),
    Case("npy header is code", "y.npy", header("__import__('os').system('true')"), "complete .npy header"),
    Case("npy header without shape", "y.npy", header("{'descr': '<i8', 'fortran_order': False}"), "header"),
    Case(
        "npy negative shape",
        "y.npy",
        header("{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }"),
        "sizes from 0",
    ),
    Case(
        "npy unknown dtype",
        "y.npy",
        header("{'descr': 'zz', 'fortran_order': False, 'shape': (1,), }"),
        "header",
    ),
    Case("npy huge claim", "y.npy", sparse_header, "truncated"),
    Case(
        "npy overflowing claim",
        "y.npy",
        header(f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({2**62}, {2**62}), }}"),
        "truncated",
    ),
    Case("npy header of 1 MB", "y.npy", header("{" + " " * 60_000 + "}"), "complete .npy header"),
    Case("npy object", "y.npy", npy(np.array([0, "a", None], object)), "object"),
    Case("npy structured", "y.npy", npy(np.zeros(3, [("y", "i8"), ("x", "f4")])), "structured"),
    Case("npy datetime", "y.npy", npy(np.array(["2020-01-01", "2020-01-02"], "M8[D]")), "datetime64"),
    Case("npy timedelta", "y.npy", npy(np.array([1, 2], "m8[s]")), "timedelta64"),
    Case("npy complex", "y.npy", npy(np.array([0, 1], complex)), "complex"),
    Case("npy long double", "y.npy", npy(np.array([0, 1], np.longdouble)), "dtype"),
    Case("npy void", "y.npy", npy(np.zeros(3, "V4")), "dtype"),
    Case("npy single value", "y.npy", npy(np.int64(3)), "single value"),
    Case("npy no rows", "y.npy", npy(np.zeros(0, int)), "empty array"),
    Case("npy no columns", "y.npy", npy(np.zeros((5, 0), int)), "empty array"),
    Case("npy all zero", "y.npy", npy(np.zeros(9, np.int8)), "only class 0"),
    Case("npy all true", "y.npy", npy(np.ones(9, bool)), "only class 1"),
    Case("npy all one name", "y.npy", npy(np.array(["ok"] * 9)), "only class ok"),
    Case("npy one row", "y.npy", npy(np.array([1])), "only class 1"),
    Case("npy all ignored", "y.npy", npy(np.full(9, -100)), "ignore index"),
    Case("npy NaN", "y.npy", npy(FLOATS), "2 NaN or infinite values, the first in row 3"),
    Case(
        "npy infinite",
        "y.npy",
        npy(np.array([0, np.inf], "f4")),
        "1 NaN or infinite value, the first in row 1",
    ),
    Case("npy NaN half", "y.npy", npy(np.array([0, 1, np.nan], "f2")), "row 2"),
    Case("npy soft targets", "y.npy", npy(np.array([0.0, 0.9, 0.1])), "0.9 in row 1"),
    Case("npy float ids beyond exactness", "y.npy", npy(np.array([0.0, 1e300])), "1e+300"),
    Case("npy negative ids", "y.npy", npy(np.array([-3, 0, 1])), "-3 (1 row)"),
    Case("npy minus one of three", "y.npy", npy(np.array([-1, 0, 1], "i1")), "--ignore-index -1"),
    Case("npy -100 beside another", "y.npy", npy(np.array([-100, 0, 1])), "-100", {"ignore_index": -1}),
    Case("npy row ids", "y.npy", npy(np.arange(200_000)), "row ids"),
    Case("npy huge row ids", "y.npy", npy(np.arange(200_000, dtype=np.uint64) * 10**13), "row ids"),
    Case("npy few rows, all different", "y.npy", npy(np.arange(500)), "row ids"),
    Case("npy names of rows", "y.npy", npy(np.arange(150_000).astype("U8")), "row ids"),
    Case("npy empty name", "y.npy", npy(np.array(["a", "", "b"])), "1 empty"),
    Case("npy bytes not UTF-8", "y.npy", npy(np.array([b"\xff\xfe", b"a"])), "UTF-8"),
    Case("npy bool byte 7", "y.npy", npy(np.array([0, 1, 7], "u1").view(bool)), "got 7"),
    Case("npy indicator all zero", "y.npy", npy(np.zeros((5, 3), int)), "found only 0"),
    Case("npy indicator all one", "y.npy", npy(np.ones((5, 3), int)), "found only 1"),
    Case("npy indicator with a 2", "y.npy", npy([[0, 1], [2, 0]]), "only 0 and 1", {"kind": "indicator"}),
    Case("npy indicator of names", "y.npy", npy(np.array(["a", "b"])), "indicator", {"kind": "indicator"}),
    Case(
        "npy indicator of three axes",
        "y.npy",
        npy(np.zeros((2, 2, 2), int)),
        "indicator",
        {"kind": "indicator"},
    ),
    Case("npy not one-hot", "y.npy", npy([[0, 1], [1, 1]]), "exactly one 1", {"kind": "classes"}),
    Case("npy unknown kind", "y.npy", GOOD, "did you mean 'classes'", {"kind": "clases"}),
    Case(
        "npy positive not there",
        "y.npy",
        npy(np.array(["fraud", "ok"])),
        "mean 'fraud'",
        {"positive": "frud"},
    ),
    Case("npy positive of three", "y.npy", npy([0, 1, 2]), "expected two classes", {"positive": "1"}),
    Case("npy with a column", "y.npy", GOOD, "that has a column", {"column": "y"}),
    Case("npy with a key", "y.npy", GOOD, "that has a key", {"key": "y"}),
    # npz
    Case("npz cut", "y.npz", npz(y=np.arange(1000) % 2)[:-30], "zip"),
    Case(
        "npz damaged",
        "y.npz",
        npz(False, y=np.arange(50) % 2).replace(b"\1\0\0\0\0\0\0\0", b"\2" + bytes(7)),
        "CRC",
    ),
    Case("npz is an npy", "y.npz", GOOD, "rename it to .npy"),
    Case("npz of nothing", "y.npz", zipped(), "holds none"),
    Case("npz without arrays", "y.npz", zipped(("readme.txt", "hello")), "holds none"),
    Case("npz ambiguous", "y.npz", npz(a=Y, b=Y), "several: a, b"),
    Case("npz wrong key", "y.npz", npz(X=Y, target=Y), "mean 'target'", {"key": "targt"}),
    Case("npz object", "y.npz", zipped(("y.npy", npy(np.array([0, None], object)))), "object"),
    Case("npz broken member", "y.npz", zipped(("y.npy", b"not an array")), "complete .npy header"),
    Case("npz member too short", "y.npz", zipped(("y.npy", GOOD[:-8])), "expected 40 bytes"),
    Case("npz bomb", "y.npz", zipped(("y.npy", GOOD), declared=2**31), "zip bomb"),
    Case("npz claims 100 GiB", "y.npz", zipped(("y.npy", GOOD), declared=100 * 2**30), "zip bomb"),
    Case("npz one class", "y.npz", npz(y=np.zeros(9, int)), "only class 0"),
    # tables
    Case("csv empty", "y.csv", b"", "empty"),
    Case("csv only blank lines", "y.csv", b"\n\n\n", "only empty lines"),
    Case("csv only a header", "y.csv", b"id,label\n", "header"),
    Case("csv no usual column", "y.csv", b"a,b\n1,0\n2,1\n", "several: a, b"),
    Case("csv two usual columns", "y.csv", b"y,label\n1,0\n2,1\n", "several: y, label"),
    Case("csv misspelt column", "y.csv", b"id,label\n1,0\n2,1\n", "mean 'label'", {"column": "lable"}),
    Case("csv column twice", "y.csv", b"id,y,y\n1,0,1\n", "one column 'y'", {"column": "y"}),
    Case("csv column number too large", "y.csv", b"1,0\n2,1\n", "from 0 to 1", {"column": "2"}),
    Case("csv name without header", "y.csv", b"1,0\n2,1\n", "no header", {"column": "label"}),
    Case("csv missing label", "y.csv", b"id,label\n1,0\n2,\n3,1\n", "y.csv:3"),
    Case("csv NaN", "y.csv", b"id,label\n1,0\n2,nan\n", "'nan'"),
    Case("csv None among numbers", "y.csv", b"label\n0\n1\nNone\n0\n", "'None'"),
    Case("csv infinite", "y.csv", b"label\n0\n1\ninf\n", "'inf'"),
    Case("csv soft targets", "y.csv", b"label\n0.1\n0.9\n", "'0.1'"),
    Case("csv short row", "y.csv", b"id,label\n1,0\n2\n3,1\n", "expected 2 columns, but got 1"),
    Case("csv long row", "y.csv", b"id,label\n1,0\n2,1,9\n", "expected 2 columns, but got 3"),
    Case("csv blank line inside", "y.csv", b"label\n0\n\n1\n", "y.csv:3"),
    Case("csv quote never closed", "y.csv", b'id,label\n1,"0\n2,1\n', "quoting"),
    Case("csv Latin-1", "y.csv", "label\nja\nnön\n".encode("latin-1"), "UTF-8"),
    Case("csv UTF-16", "y.csv", "label\n0\n1\n".encode("utf-16"), "UTF-16"),
    Case("csv with NUL", "y.csv", b"label\n0\n\x001\n", "expected a table"),
    Case("csv NUL further down", "y.csv", b"label\n" + b"0\n1\n" * 2000 + b"\0\n", "NUL"),
    Case("csv is an npy", "y.csv", GOOD, "rename it to .npy"),
    Case("csv one class", "y.csv", b"label\n1\n1\n1\n", "only class 1"),
    Case("csv row ids", "y.csv", b"label\n" + b"\n".join(b"r%d" % i for i in range(120_000)), "row ids"),
    Case("csv indicator with a 2", "y.csv", b"a,b\n0,1\n1,2\n", "y.csv:3", {"kind": "indicator"}),
    Case("csv several columns as classes", "y.csv", b"a,b\n0,1\n1,0\n", "'a,b'", {"column": "a,b"}),
    Case("csv endless line", "y.csv", b"label\n" + b"0" * (2**20 + 9), "1 MiB"),
    Case("csv negative ids", "y.csv", b"label\n-7\n0\n1\n", "-7 (1 row)"),
    Case("tsv gzip", "y.tsv", gzip.compress(b"label\n0\n1\n"), "decompress"),
    # text
    Case("txt empty", "y.txt", b"", "empty"),
    Case("txt blank", "y.txt", b" \n\n", "got none"),
    Case("txt gap", "y.txt", b"0\n\n1\n", "y.txt:2"),
    Case("txt one class", "y.txt", b"0\n0\n", "only class 0"),
    Case("txt NaN", "y.txt", b"0\nNaN\n1\n", "y.txt:2"),
    Case("txt fractions", "y.txt", b"0\n0.25\n1\n", "0.25"),
    Case("txt table", "y.txt", b"0,1\n1,0\n", "separated by ','"),
    Case("txt one line", "y.txt", b"0 1 0 1 1\n", "separated by spaces"),
    Case("txt not UTF-8", "y.txt", b"ja\nn\xf6n\n", "y.txt:2"),
    Case("txt git-lfs", "y.txt", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    Case("txt as indicator", "y.txt", b"0\n1\n", "multi-label", {"kind": "indicator"}),
    # counts
    Case("json syntax", "y.json", b'{"0": 5, "1": }', "y.json:1:15"),
    Case("json empty object", "y.json", b"{}", "at least two classes"),
    Case("json empty list", "y.json", b"[]", "empty list"),
    Case("json number", "y.json", b"5", "mapping class: count"),
    Case("json text", "y.json", b"hello", "JSON"),
    Case("json key twice", "y.json", b'{"0": 5, "1": 6, "0": 7}', "'0' twice"),
    Case("json fraction", "y.json", b'{"0": 5.5, "1": 6}', "5.5"),
    Case("json negative count", "y.json", b'{"0": 5, "1": -6}', "-6"),
    Case("json count true", "y.json", b'{"0": true, "1": 6}', "True"),
    Case("json count null", "y.json", b'{"0": null, "1": 6}', "NoneType"),
    Case("json count list", "y.json", b'{"0": [5], "1": 6}', "list"),
    Case("json NaN", "y.json", b'{"0": NaN, "1": 6}', "NaN"),
    Case("json Infinity in a list", "y.json", b"[0, 1, Infinity]", "Infinity"),
    Case("json one class", "y.json", b'{"0": 5, "1": 0}', "only class 0"),
    Case("json all zero", "y.json", b'{"0": 0, "1": 0}', "expected labels"),
    Case("json overflow", "y.json", b'{"0": 9223372036854775807, "1": 9223372036854775807}', "at most"),
    Case("json huge integer", "y.json", b'{"0": ' + b"9" * 5000 + b', "1": 6}', "huge"),
    Case("json deep", "y.json", DEEP, "deeply nested"),
    Case("json null in a list", "y.json", b"[0, 1, null]", "entry 2 (from 0) is null"),
    Case("json text among numbers", "y.json", b'[0, 1, "a"]', "entry 2"),
    Case("json ragged", "y.json", b"[[0, 1], [1]]", "one length"),
    Case("json integers beyond 64 bits", "y.json", b"[0, 99999999999999999999999]", "64 bits"),
    Case("json not UTF-8", "y.json", b'{"\xff": 1, "b": 2}', "UTF-8"),
    Case("json negative id", "y.json", b'{"-4": 1, "0": 2, "1": 3}', "-4 (1 row)"),
    Case("json counts as indicator", "y.json", b'{"0": 1, "1": 2}', "number of rows", {"kind": "indicator"}),
    Case("yaml alias bomb", "y.yaml", BOMB, "alias"),
    Case("yaml one alias", "y.yaml", b"a: &n 5\nb: *n\n", "y.yaml:2:4"),
    Case("yaml key twice", "y.yaml", b"a: 5\nb: 6\na: 7\n", "y.yaml:3:1"),
    Case("yaml syntax", "y.yaml", b"a: [5\nb: 6\n", "expected YAML"),
    Case("yaml fraction", "y.yaml", b"a: 5.5\nb: 6\n", "5.5"),
    Case("yaml exponent", "y.yaml", b"a: 1e3\nb: 6\n", "1e3"),
    Case("yaml octal", "y.yaml", b"a: 0100\nb: 6\n", "0100"),
    Case("yaml negative", "y.yaml", b"a: -5\nb: 6\n", "-5"),
    Case("yaml tag", "y.yaml", b"a: !!python/object/apply:os.getcwd []\nb: 6\n", "whole number"),
    Case("yaml scalar tag", "y.yaml", b"a: !!python/name:os.getcwd ''\nb: 6\n", "tag"),
    Case("yaml two documents", "y.yaml", b"a: 5\n---\nb: 6\n", "expected YAML"),
    Case("yaml text", "y.yaml", b"hello\n", "mapping class: count"),
    Case("yaml deep", "y.yaml", b"a: " + DEEP[:5000] + b"\n", "deeply nested"),
    Case("yaml too large", "y.yaml", b"a: 5\n# " + b"x" * (17 * 2**20), "16 MiB"),
    Case("yaml control characters", "y.yaml", b"a: 5\nb\x07: 6\n", "expected YAML"),
    Case("yaml nested key", "y.yaml", b"? [a, b]\n: 5\nc: 6\n", "nested"),
    # torch
    Case("pt legacy", "y.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(50), "torch 1.6"),
    Case("pt plain pickle", "y.pt", b"\x80\x04K\x01.", "pickle"),
    Case("pt is an npz", "y.pt", npz(y=Y), "rename it to .npz"),
    Case("pt cut", "y.pt", pickled_torch(tensor_pickle())[:-40], "zip"),
    Case("pt runs a command", "y.pt", pickled_torch(b"cos\nsystem\n(X\x04\x00\x00\x00truetR."), "os.system"),
    Case(
        "pt evaluates",
        "y.pt",
        pickled_torch(b"c__builtin__\neval\n(X\x01\x00\x00\x001tR."),
        "never unpickled",
    ),
    Case("pt holds numpy", "y.pt", pickled_torch(b"cnumpy.core.multiarray\n_reconstruct\n."), "numpy.core"),
    Case("pt object", "y.pt", pickled_torch(b"cmy.module\nModel\n)\x81."), "my.module.Model"),
    Case("pt instance", "y.pt", pickled_torch(b"(i__main__\nModel\n."), "never unpickled"),
    Case("pt pickle cut", "y.pt", pickled_torch(tensor_pickle()[:60]), "damaged"),
    Case("pt empty stack", "y.pt", pickled_torch(b"."), "damaged"),
    Case("pt list", "y.pt", pickled_torch(b"]K\x01a."), "another value"),
    Case("pt dict without tensors", "y.pt", pickled_torch(b"}X\x01\x00\x00\x00aK\x01s."), "holds none"),
    Case("pt complex", "y.pt", pickled_torch(tensor_pickle(b"ComplexFloatStorage")), "ComplexFloatStorage"),
    Case("pt shape beyond its data", "y.pt", pickled_torch(tensor_pickle(shape=4)), "holds"),
    Case("pt stretched", "y.pt", pickled_torch(tensor_pickle(shape=10**9, stride=0)), "contiguous"),
    Case("pt negative stride", "y.pt", pickled_torch(tensor_pickle(stride=-1)), "malformed tensor"),
    Case("pt without storage", "y.pt", zipped(("a/data.pkl", tensor_pickle())), "lacks it"),
    Case("pt compressed", "y.pt", pickled_torch(tensor_pickle()), "uncompressed"),
    Case("pt soft targets", "y.pt", pickled_torch(tensor_pickle(b"DoubleStorage"), HALVES), "0.5"),
    # safetensors
    Case("safetensors cut header", "y.safetensors", safetensors(OVERLAPPING)[:30], "truncated"),
    Case("safetensors endless header", "y.safetensors", struct.pack("<Q", 2**60) + b"{", "safetensors"),
    Case("safetensors broken header", "y.safetensors", safetensors(b'{"y": '), "JSON"),
    Case("safetensors key twice", "y.safetensors", safetensors(b'{"y": 1, "y": 2}'), "'y' twice"),
    Case(
        "safetensors cut data",
        "y.safetensors",
        safetensors({**OVERLAPPING, "data_offsets": [0, 24]}, b"12"),
        "24",
    ),
    Case("safetensors wrong offsets", "y.safetensors", safetensors(OVERLAPPING, bytes(24)), "24 bytes"),
    Case("safetensors no dtype", "y.safetensors", safetensors({"shape": [3]}, bytes(24)), "data_offsets"),
    Case(
        "safetensors negative shape",
        "y.safetensors",
        safetensors({**OVERLAPPING, "shape": [-3]}),
        "data_offsets",
    ),
    Case("safetensors float8", "y.safetensors", safetensors({**OVERLAPPING, "dtype": "F8_E4M3"}), "F8_E4M3"),
    Case("safetensors of nothing", "y.safetensors", safetensors(b"{}"), "holds none"),
    Case("safetensors wrong key", "y.safetensors", safetensors(OVERLAPPING), "found: y", {"key": "label"}),
    Case("safetensors is text", "y.safetensors", b"label\n0\n1\n", "expected a safetensors file"),
    # parquet
    Case("parquet cut", "y.parquet", truncated_parquet, "truncated"),
    Case("parquet magic alone", "y.parquet", b"PAR1", "truncated"),
    Case("parquet null", "y.parquet", parquet(y=[0, 1, None, 1]), "row 2"),
    Case("parquet NaN", "y.parquet", parquet(y=[0.0, 1.0, float("nan")]), "nan"),
    Case("parquet soft targets", "y.parquet", parquet(y=[0.5, 1.0]), "0.5"),
    Case("parquet several columns", "y.parquet", parquet(a=[0, 1], b=[1, 0]), "several: a, b"),
    Case(
        "parquet misspelt column",
        "y.parquet",
        parquet(label=[0, 1], b=[1, 0]),
        "'label'",
        {"column": "lable"},
    ),
    Case(
        "parquet dates", "y.parquet", parquet(y=np.array(["2020-01-01", "2020-01-02"], "M8[s]")), "timestamp"
    ),
    Case("parquet no rows", "y.parquet", parquet(y=np.zeros(0, int)), "without rows"),
    Case("parquet one class", "y.parquet", parquet(y=[1, 1]), "only class 1"),
    Case("parquet is text", "y.parquet", b"label\n0\n1\n", "expected a Parquet file"),
    # any file
    Case("unknown binary", "labels.bin", b"\x00\x01\x02\x03" * 9, "unknown binary"),
    Case("no file", "y.npy", None, "there is none"),
    Case("directory", "labels", Path.mkdir, "directory"),
    Case("device", "null", lambda path: path.symlink_to(os.devnull), "device"),
    Case("dangling link", "y.npy", lambda path: path.symlink_to("nowhere.npy"), "there is none"),
    Case("pattern without match", "*.npy", None, "matches none"),
]


def malformed():
    """Yield every case."""
    yield from _CASES


def write(case, folder):
    """Write the file of a case into a folder; return its path."""
    path = Path(folder) / case.file
    if callable(case.content):
        case.content(path)
    elif case.content is not None:
        path.write_bytes(case.content)
    return path


def prepare(case, folder):
    """Write the file of a case into a folder; return command-line arguments that read it."""
    arguments = ["--labels", str(write(case, folder))]
    for option, value in case.options.items():
        arguments += ["--label-kind" if option == "kind" else f"--{option.replace('_', '-')}", str(value)]
    return arguments
