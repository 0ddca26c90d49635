"""``.safetensors``: header length, JSON header, raw data; read without the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._json import load_json
from imbalance_doctor.sources.labels.base import LabelFile, Options, Reader

_LENGTH = 8
_LARGEST_HEADER = 100 * 2**20
_DTYPES = {
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

        header, data = _read_header(file)
        keys = [key for key in header if key != "__metadata__"]
        size = file.size or 0
        key, told = choose(
            keys,
            options,
            file.name,
            lambda k: looks_like_labels(_tensor(file.name, k, header[k], data, size)),
        )
        array = _tensor(file.name, key, header[key], data, size)
        labels = count_array(array, options)
        return replace(labels, assumptions=(*told, *labels.assumptions))


def _header_length(head: bytes) -> int:
    return int.from_bytes(head[:_LENGTH], "little")


def _read_header(file: LabelFile) -> tuple[Mapping[str, Any], int]:
    path = file.need_path(Safetensors.title)
    length = _header_length(file.head)
    if _LENGTH + length > (file.size or 0):
        raise InputError(
            f"expected a header of {length:,} bytes, but the file has {file.size:,}",
            where=path,
            hint="the file is truncated",
        )
    with file.open() as stream:
        stream.seek(_LENGTH)
        text = stream.read(length)
    header = load_json(text, path)
    if not isinstance(header, dict):
        raise InputError("expected a JSON object as header, but got another value", where=path)
    return header, _LENGTH + length


def _tensor(path: str, key: str, entry: Any, data: int, size: int) -> Any:
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
    if code not in _DTYPES:
        raise InputError(
            f"expected integers, bool or whole floats, but got dtype {code}",
            where=where,
            hint="save class ids as I64",
        )
    array = StoredArray(
        where=where, dtype=np.dtype(_DTYPES[code]), shape=tuple(shape), path=path, offset=data + begin
    )
    if end - begin != array.nbytes or data + end > size:
        raise InputError(
            f"expected {array.nbytes:,} bytes of labels ({array.describe()}), but got "
            f"{max(0, min(end, size - data) - begin):,}",
            where=where,
            hint="the file is truncated or its header is wrong",
        )
    return array
