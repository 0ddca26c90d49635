"""Zip archives and folders of trackers, read line by line."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels._zip import MAGIC, open_zip, reading_zip
from imbalance_doctor.sources.logs._folders import children, opening
from imbalance_doctor.sources.logs._numbers import long_lines
from imbalance_doctor.sources.logs.base import LogFile, Parsed

__all__ = ["json_lines", "members"]

_LARGEST = 8 * 2**30
_LARGE, _RATIO = 256 * 2**20, 500  # from this size on, and so much smaller packed, it is a bomb
_MOST_LOOKED_AT = 1_000  # members


def members(file: LogFile) -> set[str]:
    """Return the names in a folder or in a zip archive; none for anything else."""
    if file.path is None:
        return set()
    if file.is_folder:
        return {entry.name for entry in children(file.path)}
    if not file.head.startswith(MAGIC):
        return set()
    try:
        with open_zip(str(file.path)) as archive:
            return {info.filename for info in archive.infolist()[:_MOST_LOOKED_AT]}
    except (InputError, OSError, ValueError):
        return set()


def json_lines(path: Path, member: str, parsed: Parsed) -> Iterator[tuple[int, object]]:
    """Yield number and value of each line of a member; broken lines are counted.

    Raises
    ------
    InputError
        The archive is damaged, or unpacks to an absurd size.
    """
    stream: IO[bytes]
    with opening(path), ExitStack() as stack:
        if path.is_dir():
            stream = stack.enter_context((path / member).open("rb"))
        else:
            archive = stack.enter_context(open_zip(str(path)))
            stack.enter_context(reading_zip(str(path)))
            info = archive.getinfo(member)
            _check_size(info, f"{path}[{member}]")
            stream = stack.enter_context(archive.open(info))
        for number, line in enumerate(long_lines(stream), 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                parsed.unread += 1
                continue
            yield number, found


def _check_size(info: zipfile.ZipInfo, where: str) -> None:
    bomb = info.file_size > _LARGE and info.file_size > _RATIO * max(info.compress_size, 1)
    if bomb or info.file_size > _LARGEST:
        raise InputError(
            f"expected a log of reasonable size, but {info.compress_size:,} bytes unpack to "
            f"{info.file_size:,}",
            where=where,
            hint="looks like a zip bomb",
        )
