"""Rows on their way from the training loop to the file: their shape is judged at once, their values later.

Looking at values would make the training loop wait for an accelerator, so that is left to the writing thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreKind, ScoreScale
from imbalance_doctor.record._blocks import Columns

__all__ = ["Chunk", "Layout", "UnfitValuesError", "columns_of", "layout_of", "on_host", "snapshot"]


class UnfitValuesError(Exception):
    """Targets or ids that the format cannot say."""


class Layout(NamedTuple):
    """What must be the same in all rows of a file.

    Attributes
    ----------
    kind
        Of problem.
    classes
        Scores of a row.
    epoch, sample, iid
        Whether rows have one.
    """

    kind: ScoreKind
    classes: int
    epoch: bool
    sample: bool
    iid: bool

    @property
    def optional(self) -> list[str]:
        """Names of the optional columns that rows have."""
        return [name for name in ("epoch", "sample", "iid") if getattr(self, name)]

    def metadata(self, rank: int, scale: ScoreScale, ignore_index: int) -> dict[str, str]:
        """Return what each block says of itself."""
        return {
            "format": "imbalance-doctor scores",
            "version": "1",
            "scores_are": scale,
            "kind": self.kind,
            "rank": str(rank),
            "ignore_index": str(ignore_index),
        }

    def __str__(self) -> str:
        return f"{self.kind} scores of {self.classes} columns, with {', '.join(['step', *self.optional])}"


class Chunk(NamedTuple):
    """Rows of one call: copies, on the device they were on.

    Attributes
    ----------
    scores, targets
        [n], [n, C] or, for one row, [].
    sample, iid
        [n], or None.
    step, epoch
        Of all rows; epoch may be None.
    rows
        n.
    stream
        The CUDA stream the copies were made on, or None.
    """

    scores: Any
    targets: Any
    sample: Any
    iid: Any
    step: int
    epoch: float | None
    rows: int
    stream: Any


def layout_of(scores: Any, targets: Any, epoch: Any, sample: Any, iid: Any) -> tuple[int, Layout]:
    """Return the number of rows, and the layout.

    Raises
    ------
    InputError
        For shapes that do not fit each other, or scores that are not floating point.
    """
    shape, marks = tuple(scores.shape) or (1,), tuple(targets.shape) or (1,)
    floating = (
        scores.dtype.kind == "f" if isinstance(scores, np.ndarray) else bool(scores.dtype.is_floating_point)
    )
    if not floating:
        raise InputError(
            f"expected scores as floating point numbers, but got {scores.dtype}",
            hint="the order is recorder(logits, targets)",
        )
    if len(shape) > 2:  # noqa: PLR2004  a matrix
        raise InputError(
            f"expected scores of shape [N] or [N, C], but got {list(shape)}",
            hint="make rows of them: logits.movedim(1, -1).flatten(0, -2) and targets.flatten()",
        )
    rows, classes = shape[0], shape[1] if len(shape) == 2 else 1  # noqa: PLR2004
    kind: ScoreKind
    if marks in {(rows,), (rows, 1)}:
        kind = "binary" if classes == 1 else "multiclass"
    elif marks == (rows, classes):
        kind = "multilabel"
    else:
        raise InputError(
            f"expected targets of shape {[rows]} or {[rows, classes]}, but got {list(marks)}",
            hint="one target per row of scores, or one per score",
        )
    for name, values in (("sample", sample), ("iid", iid)):
        if values is not None and tuple(values.shape) != (rows,) and not (name == "iid" and not values.shape):
            raise InputError(f"expected {name} of shape {[rows]}, but got {list(values.shape)}")
    return rows, Layout(kind, classes, epoch is not None, sample is not None, iid is not None)


def snapshot(values: Any) -> Any:
    """Copy a tensor or array where it is, so that the training loop may go on to change it."""
    return values.copy() if isinstance(values, np.ndarray) else values.detach().clone()


def on_host(values: Any) -> NDArray[Any]:
    """Return a tensor or array as an array, half precision as float32."""
    if not isinstance(values, np.ndarray):
        values = values.detach().cpu()
        try:
            values = values.numpy()
        except TypeError:  # numpy knows no bfloat16
            values = values.float().numpy()
    host: NDArray[Any] = values
    return host.astype(np.float32) if host.dtype == np.float16 else host


def _joined(parts: Sequence[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Join the rows of several calls, copying from an accelerator once."""
    first = parts[0]
    if not isinstance(first, np.ndarray):
        import torch

        alike = (first.device, first.dtype)
        if all(isinstance(part, torch.Tensor) and (part.device, part.dtype) == alike for part in parts):
            return on_host(torch.cat([part.reshape(shape) for part in parts]))
    return np.concatenate([on_host(part).reshape(shape) for part in parts])


def _whole(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as integers."""
    if values.dtype.kind in "iub":
        return values.astype(np.int64) if values.dtype.kind != "i" else values
    if values.dtype.kind == "f":
        finite = np.isfinite(values).all()
        whole = values.astype(np.int64) if finite else None
        if whole is not None and (whole == values).all():
            return whole
    raise UnfitValuesError(f"expected {name} as whole numbers, but got others ({values.dtype})")


def _class_marks(values: NDArray[Any], layout: Layout, ignore_index: int) -> NDArray[Any]:
    """Return targets in the narrowest type that holds every class and the ignore index."""
    marks = _whole("targets", values)
    last = layout.classes - 1 if layout.kind == "multiclass" else 1
    unfit = ((marks < 0) | (marks > last)) & (marks != ignore_index)
    if unfit.any():
        raise UnfitValuesError(
            f"expected targets from 0 to {last} or {ignore_index} (ignore_index), but got {marks[unfit][0]}"
        )
    narrowest = np.promote_types(np.min_scalar_type(-last - 1), np.min_scalar_type(min(ignore_index, -1)))
    if ignore_index > last:
        narrowest = np.promote_types(narrowest, np.min_scalar_type(-ignore_index - 1))
    return marks.astype(narrowest)


def columns_of(
    chunks: Sequence[Chunk], layout: Layout, scale: ScoreScale, ignore_index: int, dtype: Any
) -> Columns:
    """Make columns of the rows of several calls.

    Parameters
    ----------
    chunks
        At least one.
    layout
        Theirs.
    scale
        What the scores are.
    ignore_index
        Target that may stand beside the classes.
    dtype
        Of the scores, float32 or float64; None to take it from the rows.

    Raises
    ------
    UnfitValuesError
        For targets that are no class, ids that are not whole, or probabilities outside [0, 1].
    """
    # Only this thread waits for the copies to have been made.
    for stream in {chunk.stream for chunk in chunks} - {None}:
        stream.synchronize()
    rows = [chunk.rows for chunk in chunks]
    scores = _joined([chunk.scores for chunk in chunks], (-1, layout.classes))
    if scale == "probabilities" and ((scores < 0) | (scores > 1)).any():
        raise UnfitValuesError("expected probabilities from 0 to 1, but got others; are they logits?")
    shape = (-1, layout.classes) if layout.kind == "multilabel" else (-1,)
    targets = _joined([chunk.targets for chunk in chunks], shape)
    columns = {
        "scores": scores.astype(dtype or (np.float64 if scores.dtype.itemsize > 4 else np.float32)),  # noqa: PLR2004
        "targets": _class_marks(targets, layout, ignore_index),
        "step": np.repeat(np.array([chunk.step for chunk in chunks], dtype=np.int64), rows),
    }
    if layout.epoch:
        columns["epoch"] = np.repeat(np.array([chunk.epoch for chunk in chunks], dtype=np.float64), rows)
    if layout.sample:
        ids = _joined([chunk.sample for chunk in chunks], (-1,))
        columns["sample"] = _whole("sample", ids).astype(np.int64)
    if layout.iid:
        flags = _joined([chunk.iid for chunk in chunks], (-1,))
        columns["iid"] = flags.astype(np.bool_)
    return columns
