"""Order statistics of every class at once, and what the losses built on thresholds share.

``torch.quantile`` sorts, class after class, refuses half precision and more than 2**24 scores. Here one
partition per class finds an order statistic on the CPU; elsewhere one sort serves all classes without waiting
for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imbalance_doctor.losses import _host
from imbalance_doctor.losses._compiled import kernels
from imbalance_doctor.losses._host import NO_PULL, SAMPLE, SPREAD, TAIL, Interpolation

__all__ = [
    "Anchor",
    "Entries",
    "Slopes",
    "by_class",
    "column_quantiles",
    "entries",
    "fate_of",
    "known_gradient",
    "ready_gradient",
    "sparse_gradient",
]


def _refuse_second_derivatives() -> None:
    """Raise RuntimeError in a backward pass with create_graph; cheaper than once_differentiable."""
    if torch.is_grad_enabled():
        raise RuntimeError("this loss has no second derivatives: its gradient is computed with its value")


class Entries(NamedTuple):
    """Positives, one entry for each row and class: row, class, weight in the mean, [E] each."""

    row: Tensor
    column: Tensor
    weight: Tensor

    def take(self, index: Tensor) -> Entries:
        """Pick entries by mask or index."""
        return Entries(self.row[index], self.column[index], self.weight[index])


def entries(
    positive: Tensor, weight: Tensor | None, pool_weight: Tensor | None, dtype: torch.dtype
) -> Entries:
    """List the positives, class after class.

    Parameters
    ----------
    positive
        bool [M, C].
    weight, pool_weight
        Factors of each row's weight, [M], or None for 1.
    dtype
        Type of the weights.

    Returns
    -------
    Entries
        Sorted by class, then by row.
    """
    rows = positive.shape[0]
    mask = positive.t().contiguous()
    if mask.device.type == "cpu":
        flat = torch.from_numpy(np.flatnonzero(mask.numpy()))
    else:
        flat = mask.view(-1).nonzero().view(-1)
    column = torch.div(flat, max(rows, 1), rounding_mode="floor")
    row = flat - column * rows
    factor = torch.ones(row.shape, dtype=dtype, device=row.device)
    for one in (weight, pool_weight):
        if one is not None:
            factor = factor * one.detach().to(dtype)[row]
    return Entries(row, column, factor)


def fate_of(valid: Tensor, poisoned: Tensor) -> Tensor:
    """Return what :func:`known_gradient` has to know of classes without a loss, or with a NaN score."""
    fate = torch.ones(valid.shape, device=valid.device)
    return fate.masked_fill_(poisoned, torch.nan).masked_fill_(~valid, 0.0)


def by_class(value: Tensor, column: Tensor, classes: int) -> Tensor:
    """Sum values [E, ...] over the entries of each class: [C, ...]."""
    if classes == 1:
        return value.sum(0, keepdim=True)
    return value.new_zeros(classes, *value.shape[1:]).index_add_(0, column, value)


# -- quantiles ---------------------------------------------------------------


def _ranks(level: Tensor, count: Tensor, interpolation: Interpolation) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper order statistic of a quantile, counted from 0, and the share of the upper."""
    rank = level * (count - 1)
    low, high = rank.floor(), rank.ceil()
    if interpolation == "higher":
        low = high
    elif interpolation == "lower":
        high = low
    elif interpolation == "nearest":
        low = high = rank.round()
    share = torch.full_like(rank, 0.5) if interpolation == "midpoint" else rank - low
    return low, high, share


def _between(low: Tensor, high: Tensor, share: Tensor) -> Tensor:
    """Interpolate; equal ends are themselves, be they infinite."""
    return torch.where(low == high, low, low + share.to(low) * (high - low))


def column_quantiles(
    scores: Tensor,
    levels: Sequence[float] | Tensor,
    interpolation: Interpolation,
    *,
    without: Entries | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Return quantiles of each column.

    Parameters
    ----------
    scores
        float32 or float64 [M, C], M at least 1.
    levels
        In [0, 1], [L].
    interpolation
        Between order statistics, as ``torch.quantile`` names it. Ranks are computed in double precision.
    without
        Entries to leave out.
    weight
        How many rows each row stands for, [M]; None for 1. Between rows that stand for several, values are
        interpolated.

    Returns
    -------
    Tensor
        [L, C]. Undefined for a column of which nothing is left, or that holds a NaN.
    """
    scores = scores.detach()
    rows, classes = scores.shape
    if weight is None and scores.device.type == "cpu":
        return _host_quantiles(
            scores, torch.as_tensor(levels, dtype=torch.float64).tolist(), interpolation, without
        )
    level = torch.as_tensor(levels, dtype=torch.float64, device=scores.device)[:, None]
    missing = torch.zeros(classes, dtype=torch.float64, device=scores.device)
    if without is not None:
        gone = torch.ones_like(without.row) if weight is None else weight[without.row]
        missing = by_class(gone.double(), without.column, classes)
    total = float(rows) if weight is None else weight.sum(dtype=torch.float64)
    low, high, share = _ranks(level, total - missing, interpolation)
    if weight is not None:
        ordered, places = _weighted_order(scores, without, weight)
        return _between(_at_place(ordered, places, low), _at_place(ordered, places, high), share)
    # Entries left out count as lowest, and shift the places of the others.
    low, high = ((place + missing).clamp_(0, rows - 1).long() for place in (low, high))
    ordered = _masked(scores, without).sort(0).values
    return _between(ordered.gather(0, low), ordered.gather(0, high), share)


def _host_quantiles(
    scores: Tensor, levels: list[float], interpolation: Interpolation, without: Entries | None
) -> Tensor:
    rows, classes = scores.shape
    found = np.full((len(levels), classes), np.nan, dtype=scores.numpy().dtype)
    gone = [np.empty(0, np.int64)] * classes
    if without is not None:
        ends = np.searchsorted(without.column.numpy(), np.arange(1, classes))
        gone = np.split(without.row.numpy(), ends)
    for c, (values, row) in enumerate(zip(_host.turned(scores.numpy()), gone, strict=True)):
        if row.size < rows:
            if row.size:
                values[row] = -np.inf
            found[:, c] = _host.quantiles(values, levels, interpolation, row.size)
    return torch.from_numpy(found)


def _masked(scores: Tensor, without: Entries | None) -> Tensor:
    if without is None:
        return scores
    return scores.index_put((without.row, without.column), scores.new_tensor(-torch.inf))


def _weighted_order(scores: Tensor, without: Entries | None, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return each column sorted, and the place of each row in the full pool, counted from 0, float64.

    A row that stands for w rows is taken for the middle one of them.
    """
    mass = weight.double()[:, None].expand(scores.shape)
    if without is not None:
        mass = mass.index_put((without.row, without.column), mass.new_zeros(()))
    ordered, order = _masked(scores, without).sort(0)
    mass = mass.gather(0, order)
    return ordered, mass.cumsum(0) - (mass + 1) / 2


def _at_place(ordered: Tensor, places: Tensor, wanted: Tensor) -> Tensor:
    """Return the values at some places of the full pool [L, C], interpolated between the rows at hand."""
    last = ordered.shape[0] - 1
    after = torch.searchsorted(places.t().contiguous(), wanted.t().contiguous()).t().clamp(max=last)
    before = (after - 1).clamp(min=0)
    low, high = ordered.gather(0, before), ordered.gather(0, after)
    first, second = places.gather(0, before), places.gather(0, after)
    share = ((wanted - first) / (second - first).where(second > first, 1.0)).clamp(0, 1)
    share = torch.where(low.isinf() | (second <= first), torch.ones_like(share), share)
    return torch.where(share == 1, high, _between(low, high, share))


# -- gradients ---------------------------------------------------------------


class Anchor(NamedTuple):
    """What balances the pull on positives: threshold of each class and width around it, [C]."""

    threshold: Tensor
    width: Tensor
    total: Tensor | None = None
    """Sum of the kernel over live negatives, float64 [C], where it is known: the compiled form needs it."""

    @classmethod
    def at(cls, threshold: Tensor, scores: Tensor, tau: Tensor) -> Anchor:
        """Set the width: about the temperature, or a tenth of the scores' deviation where that is more."""
        sample = scores[:: 1 + scores.shape[0] // SAMPLE]
        return cls(threshold, torch.fmax(tau, SPREAD * sample.std(0, correction=0)).mul_(TAIL))


class Slopes(NamedTuple):
    """Derivatives of each class's loss that are not 0, [E] each: flat place in the scores, class, value."""

    place: Tensor
    column: Tensor
    value: Tensor

    def take(self, index: Tensor) -> Slopes:
        """Pick entries by mask or index."""
        return Slopes(self.place[index], self.column[index], self.value[index])


class _Known(NamedTuple):
    """What :func:`known_gradient` is given."""

    loss: Tensor
    live: int
    slopes: Slopes
    anchor: Anchor | None
    fate: Tensor | None


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, known: _Known) -> Tensor:
        live = scores if known.live == scores.shape[0] else scores[: known.live]
        anchor = (live.detach(), *known.anchor) if known.anchor else ()
        ctx.save_for_backward(*known.slopes, known.fate, *anchor)
        ctx.live, ctx.shape = known.live, scores.shape
        return known.loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        _refuse_second_derivatives()
        place, column, value, fate, *anchor = ctx.saved_tensors
        force, (rows, classes), live = upstream[0], ctx.shape, ctx.live
        if fate is None and value.device.type == "cpu" and not (anchor and anchor[3] is None):
            held = [part.numpy() for part in (place, column, value, *anchor)]
            return torch.from_numpy(_gradient_on_host(force.numpy(), held, (rows, live))), None
        value = value * (force if classes == 1 else force[column])
        if anchor:
            out = anchor_pull(anchor[0], Anchor(*anchor[1:]), Slopes(place, column, value))
        else:
            out = value.new_zeros(live, classes)
        out.view(-1).scatter_(0, place, value)
        if fate is not None:
            out = torch.where(fate == 1, out, fate)
        if live < rows:
            out = torch.cat([out, out.new_zeros(rows - live, classes)])
        return out, None


def _gradient_on_host(force: np.ndarray, held: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Compute in numpy what the backward pass returns, and what comes from an anchor in compiled loops."""
    (place, column, value, *anchor), (rows, live), classes = held, size, force.size
    force = np.ascontiguousarray(force)  # of a sum it is a single number spread out
    if not anchor:
        out = np.zeros((rows, classes), value.dtype)
        out.ravel()[place] = value * (force if classes == 1 else force[column])
        return out
    scores, *at = anchor
    out = np.empty((rows, classes), scores.dtype)
    out[live:] = 0
    kernels("recall").gradient(scores, tuple(at), (place, column, value), force, NO_PULL, out[:live])
    return out


class _ReadyGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, ready: tuple[Tensor, Tensor]) -> Tensor:  # noqa: ARG004
        loss, gradient = ready
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        _refuse_second_derivatives()
        (gradient,) = ctx.saved_tensors
        return torch.from_numpy(gradient.numpy() * upstream[0].item()), None


class _SparseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, known: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        loss, place, value = known
        ctx.save_for_backward(place, value)
        ctx.shape = scores.shape
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        _refuse_second_derivatives()
        place, value = ctx.saved_tensors
        out = np.zeros(ctx.shape, np.float32)
        kernels("order").put(value.numpy(), place.numpy(), upstream[0].item(), out)
        return torch.from_numpy(out), None


def sparse_gradient(scores: Tensor, loss: Tensor, place: Tensor, value: Tensor) -> Tensor:
    """Attach to the loss of a class alone, [], its gradient by some float32 scores of [M, 1], on the CPU.

    It is the compiled form's.
    """
    result: Tensor = _SparseGradient.apply(scores, (loss, place, value))  # type: ignore[no-untyped-call]
    return result


def ready_gradient(scores: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
    """Attach to the loss of a class alone, [], its gradient by all scores, [M, 1], on the CPU."""
    result: Tensor = _ReadyGradient.apply(scores, (loss, gradient))  # type: ignore[no-untyped-call]
    return result


def known_gradient(
    scores: Tensor,
    loss: Tensor,
    live: int,
    slopes: Slopes,
    anchor: Anchor | None = None,
    fate: Tensor | None = None,
) -> Tensor:
    """Attach to each class's loss its gradient.

    Kept until the backward pass are the slopes, and for an anchor the scores, so that nothing as large as the
    pool is made before.

    Parameters
    ----------
    scores
        [M, C].
    loss
        [C].
    live
        Rows ``[0, live)`` receive gradient.
    slopes
        Of rows of the pool; those of rows that are not live are dropped.
    anchor
        See :func:`anchor_pull`.
    fate
        NaN or 0 for a class of which the whole gradient is that, 1 for the others, [C]; None for 1.
    """
    if live < scores.shape[0]:
        slopes = slopes.take(slopes.place < live * scores.shape[1])
    known = _Known(loss, live, slopes, anchor, fate)
    result: Tensor = _KnownGradient.apply(scores, known)  # type: ignore[no-untyped-call]
    return result


def anchor_pull(scores: Tensor, anchor: Anchor, positives: Slopes) -> Tensor:
    """Let negatives near the threshold balance the pull on positives.

    A threshold moves with the scores that surround it. The reference library holds it constant, so nothing
    keeps all scores from rising together for ever, and with them the threshold. Here each class's negatives
    receive the opposite of its positives' gradient in proportion to :math:`(1 + (d / h)^2)^{-2}`, d being the
    distance to the threshold and h the width: the derivative of a smoothed quantile. A common shift of all
    live scores then has gradient 0, as it leaves the objective alone.

    Parameters
    ----------
    scores
        Of the live rows, [live, C].
    anchor
        Threshold and width.
    positives
        Gradient of the live ones.

    Returns
    -------
    Tensor
        Gradient of the negatives, [live, C], and 0 at positives.
    """
    threshold, width, _ = anchor
    pull = torch.sub(scores, threshold)
    torch.addcmul(width * width, pull, pull, out=pull)
    torch.div(width, pull, out=pull).square_()
    pull.view(-1).scatter_(0, positives.place, 0.0)
    whole = by_class(positives.value, positives.column, width.shape[0])
    return pull.mul_(whole / pull.sum(0).clamp_(min=NO_PULL).neg_())
