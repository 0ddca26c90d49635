"""Blocks of the recorded format: how one is written, and how a file is walked from block to block."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "Columns", "blocks", "encoded"]

Columns = Mapping[str, NDArray[Any]]
"""Values by name, all of the same length."""

_DTYPES = {
    "F32": "<f4",
    "F64": "<f8",
    "I8": "<i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}
_LONGEST_HEADER = 1 << 16


def encoded(columns: Columns, metadata: Mapping[str, str]) -> bytes:
    """Return one block.

    Parameters
    ----------
    columns
        Of the format's dtypes.
    metadata
        All texts but the checksum.
    """
    # Wide values first, so that every column begins at a multiple of its width.
    ordered = sorted(columns.items(), key=lambda item: -item[1].dtype.itemsize)
    header: dict[str, Any] = {}
    values = []
    end = crc = 0
    for name, column in ordered:
        kind = _NAMES[column.dtype.newbyteorder("<")]
        data = np.ascontiguousarray(column, dtype=_DTYPES[kind]).data.cast("B") if column.size else b""
        header[name] = {"dtype": kind, "shape": list(column.shape), "data_offsets": [end, end + len(data)]}
        end += len(data)
        crc = zlib.crc32(data, crc)
        values.append(data)
    header["__metadata__"] = {**metadata, "crc32": str(crc)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *values])


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


class Block(NamedTuple):
    """A whole block of an open file.

    Attributes
    ----------
    file
        Open for reading in binary.
    start, data, end
        Where the block, its values and the next block begin, in bytes.
    columns
        Entry of each column in the header.
    metadata
        Texts of the header.
    """

    file: BinaryIO
    start: int
    data: int
    end: int
    columns: dict[str, Any]
    metadata: dict[str, str]

    def read(self, name: str) -> NDArray[Any]:
        """Return one column."""
        entry = self.columns[name]
        begin, end = entry["data_offsets"]
        data = _at(self.file, self.data + begin, end - begin)
        return np.frombuffer(data, dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])

    def is_sound(self) -> bool:
        """Tell whether the values are those that were written."""
        values = _at(self.file, self.data, self.end - self.data)
        return self.metadata.get("crc32") == str(zlib.crc32(values))


def blocks(file: BinaryIO) -> Iterator[Block]:
    """Yield the blocks of a file up to its end, or to where it is torn.

    Raises
    ------
    ValueError
        The file holds something else.
    """
    size = file.seek(0, os.SEEK_END)
    start = 0
    while size - start > 8:  # noqa: PLR2004  bytes of a length
        length = int.from_bytes(_at(file, start, 8), "little")
        data = start + 8 + length
        if length == 0 or data > size:
            return
        if length > _LONGEST_HEADER:
            raise ValueError("a header is too long")
        try:
            header = json.loads(_at(file, start + 8, length))
            metadata = header.pop("__metadata__")
            end = data + max(entry["data_offsets"][1] for entry in header.values())
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ValueError("a header is not of this format") from problem
        if end > size:
            return
        yield Block(file, start, data, end, header, metadata)
        start = end
