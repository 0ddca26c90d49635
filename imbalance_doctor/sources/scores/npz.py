"""``.npz``: arrays of one archive, mapped where they lie uncompressed, else decompressed as they are read."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels.base import LabelFile
from imbalance_doctor.sources.labels.npy import read_header
from imbalance_doctor.sources.labels.npz import Npz as LabelNpz
from imbalance_doctor.sources.scores._names import assign
from imbalance_doctor.sources.scores._parts import Options, Source
from imbalance_doctor.sources.scores.base import Reader

if TYPE_CHECKING:
    from imbalance_doctor.sources.scores._stored import Stored

_SUFFIX = ".npy"


class Npz(Reader):
    """A ``.npz`` archive, compressed or not."""

    title = LabelNpz.title
    suffixes = LabelNpz.suffixes
    made = "one begins with PK; numpy.savez(path, scores=scores, targets=targets) writes it"

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the first member of the archive."""
        return LabelNpz.recognises(head)

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Find the arrays by their names."""
        from imbalance_doctor.sources.labels._zip import open_zip
        from imbalance_doctor.sources.scores._stored import source

        path = file.need_path(Npz.title)
        with open_zip(path) as archive:
            members = {
                info.filename.removesuffix(_SUFFIX): info
                for info in archive.infolist()
                if info.filename.endswith(_SUFFIX)
            }
            roles = assign(list(members), options, path, "array")
            arrays = {name: _locate(archive, members[name], file) for name in roles.all}
        return source(path, arrays, roles)


def _locate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: LabelFile) -> Stored:
    from imbalance_doctor.sources.labels._arrays import StoredArray
    from imbalance_doctor.sources.labels._zip import check_size, data_offset
    from imbalance_doctor.sources.scores._stored import in_archive, stored

    where = f"{file.name}[{info.filename.removesuffix(_SUFFIX)}]"
    check_size(info, where)
    with archive.open(info) as stream:
        shape, fortran, dtype = read_header(stream, where)
        header = stream.tell()
    plain = info.compress_type == zipfile.ZIP_STORED
    start = data_offset(file.name, info, where) + header if plain else 0
    array = StoredArray(where=where, dtype=dtype, shape=shape, fortran=fortran, path=file.name, offset=start)
    held = info.file_size - header
    if dtype.kind != "O" and (held != array.nbytes or (plain and start + held > (file.size or 0))):
        raise InputError(
            f"expected {array.nbytes:,} bytes of data ({array.describe()}), but got {held:,}", where=where
        )
    return stored(array) if plain else in_archive(file.name, info.filename, array)
