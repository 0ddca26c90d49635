"""``.safetensors``: header length, JSON header, raw data; read without the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._json import load_json
from imbalance_doctor.sources.labels.base import LabelFile, Options, Reader

if TYPE_CHECKING:
    from imbalance_doctor.sources.labels._arrays import StoredArray

_LENGTH = 8
_LARGEST_HEADER = 100 * 2**20
DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip


class Safetensors(Reader):
    """A ``.safetensors`` file."""

    title = "a safetensors file"
    suffixes = (".safetensors",)
    takes = frozenset({"key"})

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the brace after the eight bytes of the header length."""
        return head[_LENGTH : _LENGTH + 1] == b"{" and _header_length(head) <= _LARGEST_HEADER

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the labels of one tensor."""
        from imbalance_doctor.sources.labels._arrays import choose, count_array, looks_like_labels

        path = file.need_path(Safetensors.title)
        with file.open() as stream:
            header, data = read_header(stream, path, file.size or 0)
        keys = [key for key in header if key != "__metadata__"]
        size = file.size or 0
        key, told = choose(
            keys,
            options,
            file.name,
            lambda k: looks_like_labels(locate(file.name, k, header[k], data, size)),
        )
        array = locate(file.name, key, header[key], data, size)
        labels = count_array(array, options)
        return replace(labels, assumptions=(*told, *labels.assumptions))


def _header_length(head: bytes) -> int:
    return int.from_bytes(head[:_LENGTH], "little")


def read_header(stream: BinaryIO, path: str, size: int) -> tuple[Mapping[str, Any], int]:
    """Read the header that begins where `stream` stands; return it and where in the file its data begin.

    Parameters
    ----------
    size
        Bytes of the whole file.

    Raises
    ------
    InputError
        The header is longer than the file or absurdly long, or is no JSON object.
    """
    start = stream.tell()
    length = _header_length(stream.read(_LENGTH))
    if start + _LENGTH + length > size or length > _LARGEST_HEADER:
        raise InputError(
            f"expected a header of {length:,} bytes, but the file has {size:,}",
            where=path,
            hint="the file is truncated",
        )
    header = load_json(stream.read(length), path)
    if not isinstance(header, dict):
        raise InputError("expected a JSON object as header, but got another value", where=path)
    return header, start + _LENGTH + length


def locate(
    path: str, key: str, entry: Any, data: int, size: int, dtypes: Mapping[str, str] = DTYPES
) -> StoredArray:
    """Return where in the file the values of one tensor lie, by its entry in the header.

    Parameters
    ----------
    data, size
        Where the data begin, and the bytes of the whole file.
    dtypes
        What numpy calls the dtypes that are allowed.

    Raises
    ------
    InputError
        The entry is malformed, of a dtype that is not allowed, or points outside the file.
    """
    import numpy as np

    from imbalance_doctor.sources.labels._arrays import StoredArray

    where = f"{path}[{key}]"
    try:
        code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sizes = (begin, end, *shape)
        good = isinstance(code, str) and all(type(n) is int and n >= 0 for n in sizes)
    except (TypeError, KeyError, ValueError):
        good = False
    if not good:
        raise InputError("expected dtype, shape and data_offsets in the header, but got others", where=where)
    if code not in dtypes:
        raise InputError(
            f"expected integers, bool or whole floats, but got dtype {code}",
            where=where,
            hint="save class ids as I64",
        )
    array = StoredArray(
        where=where, dtype=np.dtype(dtypes[code]), shape=tuple(shape), path=path, offset=data + begin
    )
    if end - begin != array.nbytes or data + end > size:
        raise InputError(
            f"expected {array.nbytes:,} bytes of data ({array.describe()}), but got "
            f"{max(0, min(end, size - data) - begin):,}",
            where=where,
            hint="the file is truncated or its header is wrong",
        )
    return array
