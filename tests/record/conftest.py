"""A reader of recorded files that shares no code with the project: written from the format's description."""

import json
import struct
import zlib

import numpy as np
import pytest

TYPES = {"F32": "<f4", "F64": "<f8", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "BOOL": "?"}


def _read_blocks(path):
    """Return (columns, metadata) of each whole block, and the bytes of a torn one at the end."""
    data = path.read_bytes()
    found, place = [], 0
    while len(data) - place >= 8:
        (length,) = struct.unpack_from("<Q", data, place)
        if place + 8 + length > len(data):
            break
        header = json.loads(data[place + 8 : place + 8 + length])
        metadata = header.pop("__metadata__")
        begin = place + 8 + length
        end = begin + max(entry["data_offsets"][1] for entry in header.values())
        if end > len(data):
            break
        assert metadata["crc32"] == str(zlib.crc32(data[begin:end]))
        columns = {}
        for name, entry in header.items():
            low, high = entry["data_offsets"]
            kind = np.dtype(TYPES[entry["dtype"]])
            assert (begin + low) % kind.itemsize == place % kind.itemsize
            columns[name] = np.frombuffer(data[begin + low : begin + high], kind).reshape(entry["shape"])
        found.append((columns, metadata))
        place = end
    return found, len(data) - place


def _read_rows(folder, rank=0):
    """Return all rows of a file that ends with a whole block."""
    found, torn = _read_blocks(folder / f"rank-{rank:05d}.stb")
    assert not torn
    return {name: np.concatenate([columns[name] for columns, _ in found]) for name in found[0][0]}


@pytest.fixture(scope="session")
def read_blocks():
    return _read_blocks


@pytest.fixture(scope="session")
def read_rows():
    return _read_rows
