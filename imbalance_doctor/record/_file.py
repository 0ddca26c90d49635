"""The file of one process: made or continued, and filled block by block."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from imbalance_doctor.errors import InputError
from imbalance_doctor.record._blocks import Block, Columns, blocks, encoded

__all__ = ["BLOCK_BYTES", "SYNC_SECONDS", "FullError", "RankFile", "processes"]

BLOCK_BYTES = 4 << 20
"""Size of a block, about: large enough that headers do not count, small enough to read anywhere."""

SYNC_SECONDS = 2.0
"""Rows reach the file at least so often, and the file the disk."""


class FullError(Exception):
    """The file may not grow further."""


def processes() -> tuple[int, int]:
    """Return the rank of this process and their number, as torch.distributed or the launcher tells.

    Raises
    ------
    InputError
        The variables RANK and WORLD_SIZE do not hold whole numbers.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    rank, size = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    if not (rank.isdecimal() and size.isdecimal()):
        raise InputError(f"expected whole numbers, but got {rank!r} and {size!r}", where="RANK, WORLD_SIZE")
    return int(rank), max(int(size), int(rank) + 1)


class RankFile:
    """Where one process writes.

    Parameters
    ----------
    folder
        Made where it is missing.
    rank
        Of this process; None to ask the launcher.
    max_bytes
        The file never grows beyond.
    overwrite
        Replace what was recorded before.
    append
        Continue what was recorded before, if anything.

    Attributes
    ----------
    rank
        Of this process.
    path
        Of the file.
    first
        The block that was there already, or None.
    last_step
        Of the rows that were there already; -1 where there were none.
    metadata
        Written with each block. To be set before the first.
    only_shares
        Whether all scores written lie in [0, 1].
    rows
        Written so far.

    Raises
    ------
    InputError
        Something was recorded there before, or is being recorded, or the file cannot be opened.
    """

    def __init__(
        self, folder: Path, *, rank: int | None, max_bytes: int, overwrite: bool, append: bool
    ) -> None:
        if overwrite and append:
            raise InputError("expected overwrite or append, but got both")
        self.rank, size = processes() if rank is None else (rank, None)
        self.path = folder / f"rank-{self.rank:05d}.stb"
        self._max_bytes = max_bytes
        self._synced = time.monotonic()
        self._dirty = False
        self.metadata: dict[str, str] = {}
        self.only_shares = True
        self.rows = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.rank == 0 and size is not None and not append:
                self._clear_others(folder, size, overwrite=overwrite)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            number = os.open(self.path, flags if overwrite or append else flags | os.O_EXCL, 0o666)
        except FileExistsError:
            raise InputError(
                "expected a new folder, but something was recorded here before",
                where=folder if folder.is_dir() else f"{folder} (a file)",
                hint="give overwrite=True to replace it, or append=True where a run resumes",
            ) from None
        except OSError as problem:
            raise InputError(f"cannot be recorded into: {problem.strerror}", where=folder) from problem
        self._file: BinaryIO = os.fdopen(number, "r+b", buffering=0)
        try:
            self._lock()
            if overwrite:
                self._file.truncate(0)
            self.first, self.last_step, self._end = self._whole_blocks() if append else (None, -1, 0)
        except BaseException:
            self._file.close()
            raise

    @staticmethod
    def _clear_others(folder: Path, size: int, *, overwrite: bool) -> None:
        """Files of processes that are not part of this run would be read along with it."""
        for other in folder.glob("rank-*.stb"):
            number = other.stem.removeprefix("rank-")
            if number.isdecimal() and int(number) >= size:
                if not overwrite:
                    raise FileExistsError
                other.unlink()

    def _lock(self) -> None:
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:  # not on this system
            return
        try:
            flock(self._file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "expected a file of its own for each process, but another one is writing this",
                where=self.path,
                hint="make the recorder after torch.distributed is initialised, or give rank=",
            ) from None
        except OSError:  # a file system without locks
            return

    def _whole_blocks(self) -> tuple[Block | None, int, int]:
        """Return the first block, the last step and where the last whole block ends; the rest is cut off."""
        first = before = last = None
        last_step = -1
        try:
            for block in blocks(self._file):
                before, last = last, block
            if last is not None and not last.is_sound():
                last = before
            if last is not None:
                first = next(blocks(self._file))
                first.read("scores")
                last_step = int(last.read("step").max())
        except (ValueError, KeyError) as problem:
            raise InputError("expected recorded scores, but got something else", where=self.path) from problem
        end = last.end if last else 0
        self._file.truncate(end)
        return first, last_step, end

    def forget_from(self, step: int) -> int:
        """Remove what was recorded from some step on; return how many rows those were.

        Raises
        ------
        InputError
            Nothing would be left.
        """
        found = forgotten = 0
        kept: Columns = {}
        for block in blocks(self._file):
            steps = block.read("step")
            if not forgotten:
                early = steps < step
                if early.all():
                    continue
                if block.start == 0 and not early.any():
                    raise InputError(
                        f"expected to continue from a step after {steps[0]}, but got step {step}",
                        where=self.path,
                        hint="give overwrite=True to record anew",
                    )
                found = block.start
                kept = {name: block.read(name)[early] for name in block.columns}
                forgotten = -int(np.count_nonzero(early))
            forgotten += len(steps)
        if forgotten:
            self._end = found
            self._file.truncate(found)
            if len(kept["step"]):
                self.write(kept)
        return forgotten

    def write(self, columns: Columns) -> None:
        """Write rows, as several blocks where they are many.

        Raises
        ------
        FullError
            A block would pass the limit; those before it are written.
        OSError
            The disk is full, or gone.
        """
        width = sum(column.nbytes for column in columns.values())
        rows = len(columns["step"])
        each = max(1, rows * BLOCK_BYTES // width)
        for low in range(0, rows, each):
            part = {name: column[low : low + each] for name, column in columns.items()}
            self._write_whole(encoded(part, self.metadata))
            self.rows += len(part["step"])
            self.only_shares = self.only_shares and bool(
                ((part["scores"] >= 0) & (part["scores"] <= 1)).all()
            )

    def _write_whole(self, block: bytes) -> None:
        if self._end + len(block) > self._max_bytes:
            raise FullError
        self._file.seek(self._end)
        left = memoryview(block)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(block)
        self._dirty = True

    def sync(self, *, now: bool = False) -> None:
        """Have the disk keep what is written, unless that was done a moment ago."""
        if self._dirty and (now or time.monotonic() - self._synced >= SYNC_SECONDS):
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
            self._dirty = False

    def close(self) -> None:
        """Keep what is written, and let go of the file."""
        try:
            self.sync(now=True)
        finally:
            self._file.close()

    def discard(self) -> None:
        """Remove the file, where writing it failed."""
        self._file.close()
        self.path.unlink(missing_ok=True)
