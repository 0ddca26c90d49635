"""``.safetensors``: tensors by name, mapped without the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels.base import LabelFile
from imbalance_doctor.sources.labels.safetensors import DTYPES, locate, read_header
from imbalance_doctor.sources.labels.safetensors import Safetensors as LabelSafetensors
from imbalance_doctor.sources.scores._names import assign
from imbalance_doctor.sources.scores._parts import Options, Source
from imbalance_doctor.sources.scores.base import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from imbalance_doctor.sources.scores._stored import Stored

_BFLOAT16 = "BF16"
_METADATA = "__metadata__"


class Safetensors(Reader):
    """A ``.safetensors`` file."""

    title = LabelSafetensors.title
    suffixes = LabelSafetensors.suffixes

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the brace after the eight bytes of the header length."""
        return LabelSafetensors.recognises(head)

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Find the tensors by their names."""
        from imbalance_doctor.sources.scores._stored import source

        path, size = file.need_path(Safetensors.title), file.size or 0
        with file.open() as stream:
            header, data = read_header(stream, path, size)
        names = [name for name in header if name != _METADATA]
        roles = assign(names, options, path, "tensor")
        arrays = tensors(header, roles.all, data, path, size)
        end = max((located_end(header[name], data) for name in names), default=data)
        if end < size:
            raise InputError(
                f"expected {end:,} bytes by the header, but the file has {size:,}",
                where=path,
                hint="files of the recorder end in .stb",
            )
        return source(path, arrays, roles)


def tensors(
    header: Mapping[str, Any], names: Sequence[str], data: int, path: str, size: int
) -> dict[str, Stored]:
    """Locate some tensors of a header whose data begin at the byte `data`.

    Raises
    ------
    InputError
        An entry is malformed or points outside the file.
    """
    from imbalance_doctor.sources.scores._stored import stored

    dtypes = DTYPES | {_BFLOAT16: "<u2"}
    return {
        name: stored(
            locate(path, name, header[name], data, size, dtypes),
            bfloat=header[name]["dtype"] == _BFLOAT16,
        )
        for name in names
    }


def located_end(entry: Any, data: int) -> int:
    """Return where in the file a tensor ends by its entry in the header; `data` where that is malformed."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    end = offsets[-1] if isinstance(offsets, list) and offsets else None
    return data + end if type(end) is int and end > 0 else data
