"""``.npy``: one array, memory-mapped and counted window by window."""

from __future__ import annotations

import re
import warnings
from typing import IO, TYPE_CHECKING, Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels.base import LabelFile, Options, Reader

if TYPE_CHECKING:
    import numpy as np

MAGIC = b"\x93NUMPY"


class Npy(Reader):
    """A ``.npy`` file of format version 1 or 2."""

    title = "a NumPy array (.npy)"
    suffixes = (".npy",)
    made = r"one begins with \x93NUMPY; numpy.save(path, y) writes it"

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the magic bytes."""
        return head.startswith(MAGIC)

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the labels of the array."""
        from imbalance_doctor.sources.labels._arrays import StoredArray, count_array

        with file.open() as stream:
            shape, fortran, dtype = read_header(stream, file.name)
            if file.size is None:
                return count_array(
                    StoredArray(where=file.name, dtype=dtype, shape=shape, fortran=fortran, stream=stream),
                    options,
                )
            offset = stream.tell()
        array = StoredArray(
            where=file.name, dtype=dtype, shape=shape, fortran=fortran, path=file.name, offset=offset
        )
        if dtype.kind != "O" and file.size - offset != array.nbytes:
            short = file.size - offset < array.nbytes
            raise InputError(
                f"expected {array.nbytes:,} bytes of labels ({array.describe()}), but got "
                f"{file.size - offset:,}",
                where=file.name,
                hint="the file is truncated" if short else "",
            )
        return count_array(array, options)


def read_header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an ``.npy`` stream; return shape, Fortran order and dtype.

    Raises
    ------
    InputError
        The header is broken, of an unknown version, or names a dtype or shape that cannot be.
    """
    from numpy.lib import format as npy_format

    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    version: Any = None
    try:
        version = npy_format.read_magic(stream)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are read all the same
            shape, fortran, dtype = readers[version](stream)
    except Exception as error:  # the header is Python text: whatever numpy makes of a broken one
        reason = re.split(r"[:\n]", str(error))[0][:100]
        if version is not None and version not in readers:
            reason = f"format version {version[0]}.{version[1]}"
        raise InputError(f"expected a complete .npy header, but got: {reason}", where=where) from error
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise InputError(f"expected a shape of sizes from 0, but got {list(shape)}", where=where)
    return tuple(int(n) for n in shape), bool(fortran), dtype
