"""`ScoreRecorder` for training loops, `record_scores` for arrays."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreScale
from imbalance_doctor.record._blocks import Columns
from imbalance_doctor.record._file import BLOCK_BYTES, SYNC_SECONDS, FullError, RankFile
from imbalance_doctor.record._reservoir import Reservoir
from imbalance_doctor.record._rows import (
    Chunk,
    Layout,
    UnfitValuesError,
    columns_of,
    layout_of,
    on_host,
    snapshot,
)

__all__ = ["ScoreRecorder", "record_scores"]

_WAITING_BYTES = 4 * BLOCK_BYTES  # training waits for the disk rather than fill the memory
_ROWS_AT_ONCE = 1 << 18
_ENOUGH_ROWS = 100  # so many logits do not lie in [0, 1] by chance


class ScoreRecorder:
    """Writes logits and targets of a training loop into a folder, one file per process.

    A call copies the rows where they are, on the accelerator if they are there, and returns; a thread joins
    the copies, fetches them in blocks and writes them every two seconds at the latest. What a killed process
    had written can be read. Nothing is added to any state dict.

    Whatever goes wrong after the first call (a full disk, targets that are no class) ends the recording with
    one warning, never the training; what was written stays readable.

    Parameters
    ----------
    folder
        Where to write; its name should end in ``.scores``.
    scores_are
        ``logits`` or ``probabilities``.
    every
        Record only steps that are multiples of this.
    reservoir
        Keep so many rows of every `window` steps, drawn without replacement, each row of the window equally
        likely; None keeps all. Kept rows are written when their window ends, so a kill loses the window.
        Rows of a batch are then no longer together: good for measuring, not for replaying.
    window
        Steps of a window: 0 to `window` - 1 is the first, whatever step a run begins with.
    max_bytes
        The file of this process stays below; at the limit recording ends with one warning.
    rank
        Of this process; None to ask torch.distributed, then the variable RANK, else 0.
    ignore_index
        Target that marks a row as left out; such rows are recorded too.
    overwrite
        Replace what was recorded in the folder before, instead of refusing.
    append
        Continue what was recorded before, with as many processes as then. Rows recorded from the first new
        step on (a run resumed from a checkpoint repeats some steps) are replaced.
    seed
        Of the reservoir.

    Attributes
    ----------
    path
        Of this process's file.

    Raises
    ------
    InputError
        An option is out of range, or the folder holds something already.
    """

    def __init__(  # noqa: PLR0913  options, by name
        self,
        folder: str | os.PathLike[str],
        *,
        scores_are: ScoreScale = "logits",
        every: int = 1,
        reservoir: int | None = None,
        window: int = 1000,
        max_bytes: int = 2 << 30,
        rank: int | None = None,
        ignore_index: int = -100,
        overwrite: bool = False,
        append: bool = False,
        seed: int = 0,
    ) -> None:
        _check_scale(scores_are)
        least = {"every": (every, 1), "reservoir": (reservoir, 1), "window": (window, 1), "rank": (rank, 0)}
        for name, (value, low) in least.items():
            if value is not None and value < low:
                raise InputError(f"expected {low} or more, but got {value}", where=name)
        self._file = RankFile(
            Path(folder), rank=rank, max_bytes=max_bytes, overwrite=overwrite, append=append
        )
        self.path = self._file.path
        self._scale = scores_are
        self._every = every
        self._ignore_index = ignore_index
        self._reservoir = Reservoir(reservoir, window, (seed, self._file.rank)) if reservoir else None
        self._look: tuple[Any, ...] = ()
        self._shape: tuple[int, Layout]
        self._layout: Layout | None = None
        self._dtype: Any = None
        self._step = self._file.last_step
        self._process = os.getpid()
        self._lock = threading.RLock()  # guards all that follows
        self._changed = threading.Condition(self._lock)
        self._waiting: list[Chunk] = []
        self._waiting_bytes = 0
        self._problem = ""
        self._told = False
        self._closing = False
        self._thread = threading.Thread(target=self._write_on, name="score-recorder", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __call__(
        self,
        logits: Any,
        targets: Any,
        *,
        step: int | None = None,
        epoch: float | None = None,
        sample: Any = None,
        iid: Any = None,
    ) -> None:
        """Record a batch.

        Parameters
        ----------
        logits
            Tensor or array of floating point numbers, [N], [N, 1] or [N, C], on any device.
        targets
            Class index, [N] or [N, 1]: 0 or 1 where there is one score; or 0 or 1 of each class, [N, C].
            Whole numbers of any type.
        step
            Of the training loop; None counts calls on. Several batches may share a step.
        epoch
            May be a fraction.
        sample
            Which rows of the data set these are, whole numbers [N].
        iid
            Whether rows were drawn at their natural rate, bool [N] or one for all.

        Raises
        ------
        InputError
            Shapes do not fit each other or those of earlier calls, or the recorder is closed.
        """
        step = self._step + 1 if step is None else int(step)
        self._step = step
        if step % self._every:
            return
        logits, targets = _arrayed(logits), _arrayed(targets)
        sample = None if sample is None else _arrayed(sample)
        iid = None if iid is None else _arrayed(iid)
        # Most batches look like the one before: what was found of it holds.
        look = (logits.shape, targets.shape, logits.dtype, epoch is None, sample is None, iid is None)
        if look != self._look or sample is not None or iid is not None:
            self._shape = layout_of(logits, targets, epoch, sample, iid)
            self._look = look
        rows, layout = self._shape
        if iid is not None and not iid.shape:
            iid = np.full(rows, bool(iid))
        stream = None
        if getattr(logits, "is_cuda", False):
            import torch

            stream = torch.cuda.current_stream(logits.device)
        sample = None if sample is None else snapshot(sample)
        iid = None if iid is None else snapshot(iid)
        chunk = Chunk(snapshot(logits), snapshot(targets), sample, iid, step, epoch, rows, stream)
        self._take(chunk, layout)

    def _take(self, chunk: Chunk, layout: Layout) -> None:
        if not self._thread.is_alive() and self._process != os.getpid():  # its locks may never open
            raise InputError("expected the process that made the recorder, but got a fork of it")
        with self._lock:  # entered sooner than the condition
            if self._closing:
                raise InputError("expected an open recorder, but it was closed", where=self.path)
            if layout != self._layout:
                self._settle(layout, chunk.step)
            while self._waiting_bytes > _WAITING_BYTES and not self._problem:
                self._changed.wait()
            if self._problem:
                self._tell(stacklevel=4)
            elif chunk.rows:
                self._waiting.append(chunk)
                self._waiting_bytes += chunk.scores.nbytes + chunk.targets.nbytes
                if self._waiting_bytes >= BLOCK_BYTES:
                    self._changed.notify_all()

    def _settle(self, layout: Layout, step: int) -> None:
        """Fix what all rows must share, with the first of them, or by what was there already."""
        if self._layout is not None:
            raise InputError(f"expected {self._layout} as before, but got {layout}", where=self.path)
        metadata = layout.metadata(self._file.rank, self._scale, self._ignore_index)
        there = self._file.first
        if there is not None:
            was = {name: text for name, text in there.metadata.items() if name != "crc32"}
            scores = there.read("scores")
            columns = {"scores", "targets", "step", *layout.optional}
            if (was, set(there.columns), scores.shape[1:]) != (metadata, columns, (layout.classes,)):
                raise InputError(
                    f"expected rows like those recorded before, but got {layout}",
                    where=self.path,
                    hint="give overwrite=True to record anew",
                )
            self._dtype = scores.dtype
        self._file.metadata = metadata
        self._layout = layout
        if there is not None:
            self._file.forget_from(step)

    def _tell(self, stacklevel: int) -> None:
        if not self._told:
            self._told = True
            warnings.warn(f"{self.path}: {self._problem}", UserWarning, stacklevel=stacklevel)

    def _write_on(self) -> None:
        """Write what waits, again and again, until the recorder closes."""
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or self._waiting_bytes >= BLOCK_BYTES, timeout=SYNC_SECONDS
                )
                chunks, self._waiting, self._waiting_bytes = self._waiting, [], 0
                closing = self._closing
                self._changed.notify_all()
            problem = ""
            try:
                self._write(chunks, last=closing)
            except FullError:
                problem = f"max_bytes is reached after {self._file.rows} rows; nothing more is recorded"
            except Exception as error:  # noqa: BLE001  whatever it is, training goes on
                problem = f"{error}; nothing more is recorded"
            if problem:
                with self._changed:
                    self._problem = self._problem or problem
                    self._changed.notify_all()

    def _write(self, chunks: list[Chunk], *, last: bool) -> None:
        parts: list[Columns] = []
        if chunks and self._layout is not None and not self._problem:
            columns = columns_of(chunks, self._layout, self._scale, self._ignore_index, self._dtype)
            self._dtype = columns["scores"].dtype
            parts = [columns] if self._reservoir is None else self._reservoir.add(columns)
        if last and self._reservoir is not None and not self._problem:
            parts += self._reservoir.rest()
        for part in parts:
            self._file.write(part)
        self._file.sync()

    def close(self) -> None:
        """Write what waits, and let go of the file. Closing again does nothing."""
        if self._process != os.getpid():  # a fork has neither the thread nor the right
            return
        with self._changed:
            first = not self._closing
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if not first:
            return
        atexit.unregister(self.close)
        try:
            self._file.close()
        except OSError as error:
            self._problem = self._problem or str(error)
        if self._problem:
            self._tell(stacklevel=3)
        _doubt(self._file, self._scale, stacklevel=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_scale(scores_are: str) -> None:
    if scores_are not in {"logits", "probabilities"}:
        raise InputError(f"expected logits or probabilities, but got {scores_are!r}", where="scores_are")


def _arrayed(values: Any) -> Any:
    """Return what has a shape and a type as it is, and the rest as an array."""
    return values if values is None or hasattr(values, "detach") else np.asarray(values)


def _doubt(file: RankFile, scale: ScoreScale, *, stacklevel: int) -> None:
    """Warn where logits look like probabilities."""
    if scale == "logits" and file.only_shares and file.rows >= _ENOUGH_ROWS:
        warnings.warn(
            f"{file.path}: recorded as logits, but all scores lie in [0, 1];"
            " record with scores_are='probabilities' if they are",
            UserWarning,
            stacklevel=stacklevel,
        )


def record_scores(  # noqa: PLR0913  columns, by name
    folder: str | os.PathLike[str],
    scores: Any,
    targets: Any,
    *,
    scores_are: ScoreScale = "logits",
    step: Any = 0,
    epoch: Any = None,
    sample: Any = None,
    iid: Any = None,
    rank: int | None = None,
    ignore_index: int = -100,
    overwrite: bool = False,
) -> Path:
    """Write scores that are there already, in the recorder's format.

    Parameters
    ----------
    folder
        Where to write; its name should end in ``.scores``.
    scores, targets
        As `ScoreRecorder` takes them; may be memory-mapped.
    scores_are
        ``logits`` or ``probabilities``.
    step, epoch, sample, iid
        [N], or one value for all rows (of `sample` only [N]).
    rank, ignore_index, overwrite
        As in `ScoreRecorder`.

    Returns
    -------
    Path
        Of the file written.

    Raises
    ------
    InputError
        Shapes do not fit, targets are no class, or the folder holds something already.
    """
    _check_scale(scores_are)
    scores, targets, sample = (_arrayed(values) for values in (scores, targets, sample))
    rows, layout = layout_of(scores, targets, epoch, sample, None if iid is None else np.bool_(0))
    given = {"step": (step, np.int64), "epoch": (epoch, np.float64), "iid": (iid, np.bool_)}
    try:
        every_row: dict[str, NDArray[Any]] = {
            name: np.broadcast_to(on_host(_arrayed(values)), rows).astype(
                kind, casting="same_kind", copy=False
            )
            for name, (values, kind) in given.items()
            if values is not None
        }
    except (ValueError, TypeError) as problem:
        raise InputError(f"expected step, epoch and iid of {rows} rows: {problem}") from problem
    file = RankFile(Path(folder), rank=rank, max_bytes=sys.maxsize, overwrite=overwrite, append=False)
    file.metadata = layout.metadata(file.rank, scores_are, ignore_index)
    try:
        for low in range(0, rows, _ROWS_AT_ONCE):
            part = slice(low, low + _ROWS_AT_ONCE)
            ids = None if sample is None else sample[part]
            flags = every_row["iid"][part] if layout.iid else None
            chunk = Chunk(scores[part], targets[part], ids, flags, 0, 0.0, len(every_row["step"][part]), None)
            columns = columns_of([chunk], layout, scores_are, ignore_index, None)
            file.write({**columns, **{name: values[part] for name, values in every_row.items()}})
        file.close()
    except (UnfitValuesError, OSError) as problem:
        file.discard()
        raise InputError(str(problem), where=file.path) from problem
    _doubt(file, scores_are, stacklevel=3)
    return file.path
