"""``.npz``: an archive of arrays; the chosen one is counted while it is decompressed."""

from __future__ import annotations

from dataclasses import replace

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels.base import LabelFile, Options, Reader
from imbalance_doctor.sources.labels.npy import read_header

_SUFFIX = ".npy"


class Npz(Reader):
    """A ``.npz`` archive, compressed or not."""

    title = "a NumPy archive (.npz)"
    suffixes = (".npz",)
    made = "one begins with PK; numpy.savez(path, y=y) writes it"
    takes = frozenset({"key"})

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the name of the first member: the ``.npy`` of an array."""
        return head.startswith((b"PK\x03\x04", b"PK\x05\x06")) and b"data.pkl" not in head[:256]

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the labels of one array of the archive."""
        from imbalance_doctor.sources.labels._arrays import (
            StoredArray,
            choose,
            count_array,
            looks_like_labels,
        )
        from imbalance_doctor.sources.labels._zip import check_size, open_zip, reading_zip

        with open_zip(file.need_path(Npz.title)) as archive:
            members = {
                i.filename.removesuffix(_SUFFIX): i
                for i in archive.infolist()
                if i.filename.endswith(_SUFFIX)
            }

            def is_plain(key: str) -> bool:
                where = f"{file.name}[{key}]"
                with reading_zip(where), archive.open(members[key]) as stream:
                    shape, fortran, dtype = read_header(stream, where)
                return looks_like_labels(StoredArray(where=where, dtype=dtype, shape=shape, fortran=fortran))

            key, told = choose(list(members), options, file.name, is_plain)
            info, where = members[key], f"{file.name}[{key}]"
            check_size(info, where)
            with reading_zip(where), archive.open(info) as stream:
                shape, fortran, dtype = read_header(stream, where)
                array = StoredArray(where=where, dtype=dtype, shape=shape, fortran=fortran, stream=stream)
                if dtype.kind != "O" and info.file_size - stream.tell() != array.nbytes:
                    raise InputError(
                        f"expected {array.nbytes:,} bytes of labels ({array.describe()}), but got "
                        f"{info.file_size - stream.tell():,}",
                        where=where,
                    )
                labels = count_array(array, options)
        return replace(labels, assumptions=(*told, *labels.assumptions))
