"""Zip archives from strangers."""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator

from imbalance_doctor.errors import InputError

MAGIC = b"PK\x03\x04"
_LARGEST = 64 * 2**30
_LARGE = 2**30
_RATIO = 1000
_MOST_MEMBERS = 100_000
_LOCAL_HEADER = struct.Struct("<4s22xHH")


@contextlib.contextmanager
def reading_zip(where: str) -> Iterator[None]:
    """Turn what ``zipfile`` raises on broken, encrypted or foreign archives into one `InputError`."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError, zlib.error, struct.error, NotImplementedError) as error:
        reason = str(error).replace(f" for file '{where}'", "") or "end of file"
        raise InputError(
            f"expected a complete zip archive, but got: {reason}",
            where=where,
            hint="the file is truncated or damaged",
        ) from error
    except RuntimeError as error:
        if "password" not in str(error) and "encrypted" not in str(error):
            raise
        raise InputError(
            "expected an archive without a password, but got an encrypted one", where=where
        ) from error


@contextlib.contextmanager
def open_zip(path: str) -> Iterator[zipfile.ZipFile]:
    """Open an archive.

    Raises
    ------
    InputError
        It is no zip archive, damaged, or holds an absurd number of members.
    """
    with reading_zip(path), zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) > _MOST_MEMBERS:
            raise InputError(f"expected at most {_MOST_MEMBERS:,} members, but got more", where=path)
        yield archive


def check_size(info: zipfile.ZipInfo, where: str) -> None:
    """Refuse a member that unpacks to more than any data of this kind would, or not piece by piece."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks a whole chunk of the others at once, however large it becomes
        raise InputError("expected a member stored or deflated, but got another compression", where=where)
    bomb = info.file_size > _LARGE and info.file_size > _RATIO * max(info.compress_size, 1)
    if bomb or info.file_size > _LARGEST:
        raise InputError(
            f"expected a member of reasonable size, but {info.compress_size:,} bytes unpack to "
            f"{info.file_size:,}",
            where=where,
            hint="looks like a zip bomb",
        )


def data_offset(path: str, info: zipfile.ZipInfo, where: str) -> int:
    """Return where in the file the bytes of an uncompressed member begin."""
    with open(path, "rb") as file:  # noqa: PTH123  as typed
        file.seek(info.header_offset)
        magic, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if magic != MAGIC:
        raise InputError("expected a zip member, but got other bytes", where=where)
    return int(info.header_offset + _LOCAL_HEADER.size + name + extra)
