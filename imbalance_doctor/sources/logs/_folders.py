"""Files and folders from strangers: opened with one clear error, searched within limits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import LogFile

__all__ = ["children", "find_files", "need_path", "opening"]

_MOST_ENTRIES = 20_000


def need_path(file: LogFile, title: str) -> Path:
    """Return where the log lies.

    Raises
    ------
    InputError
        It comes from standard input.
    """
    if file.path is None:
        raise InputError(f"expected a path, but got {title} from standard input", where=file.name)
    return file.path


@contextlib.contextmanager
def opening(where: object) -> Iterator[None]:
    """Turn what the operating system says about a file into one `InputError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"expected a readable file, but got: {reason}", where=where) from error


def children(folder: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds by name, links left out; nothing if it cannot be listed."""
    found: list[os.DirEntry[str]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if len(found) >= _MOST_ENTRIES:
                break
            if not entry.is_symlink():
                found.append(entry)
    return sorted(found, key=lambda e: e.name)


def find_files(folder: Path, wanted: Callable[[str], bool], *, depth: int, most: int) -> list[Path]:
    """Return files with a wanted name in a folder and the folders in it.

    Links are not followed, hidden folders not entered.

    Parameters
    ----------
    depth
        Folders below `folder` that are entered; 0 is `folder` alone.
    most
        Files returned at most.
    """
    found: list[Path] = []
    entries = 0
    level = [folder]
    for _ in range(depth + 1):
        below: list[Path] = []
        for place in level:
            for entry in children(place):
                entries += 1
                if entries > _MOST_ENTRIES or len(found) >= most:
                    return found
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        below.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False) and wanted(entry.name):
                    found.append(Path(entry.path))
        level = below
    return found
