r"""Softmax focal loss for classes that exclude one another.

With p = softmax(x), the true class t, class weights alpha and the cross-entropy CE (label-smoothed by eps)::

    L = alpha_t (1 - p_t)^gamma CE,    CE = (1 - eps) (-log p_t) + eps/C sum_j (-log p_j)

Source: Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, with softmax for
sigmoid. The loss of a row depends on the margin z = logsumexp of the other logits - x_t alone (but for the
smoothing), which is what :mod:`imbalance_doctor.losses._focal` takes; its slope dL/dz is then dealt out over
the other classes in proportion to their probabilities. Value and gradient come from one pass over pieces that
fit the cache, and only the gradient is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imbalance_doctor.losses import _focal
from imbalance_doctor.losses.gather import should_gather

__all__ = ["SoftmaxFocalLoss", "softmax_focal"]

_REDUCTIONS = ("none", "mean", "mean_positive", "sum")
# With fewer classes a row is too short for the processor's vectors: such pieces are turned so that classes
# are rows.
_FEW_CLASSES = 16
_MIDDLE = 0.5
# Every operation on rows has its price, so a piece is larger than the cache next to the processor, and holds
# many rows.
_PIECE = 1 << 20
_TURNED_PIECE = 1 << 18


@_focal.eager
def softmax_focal(  # noqa: PLR0913
    inputs: Tensor,
    targets: Tensor,
    *,
    alpha: Tensor | Sequence[float] | None = None,
    gamma: float = 2.0,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    background_class: int = 0,
    sample_weight: Tensor | None = None,
    gather_distributed: bool | None = False,
) -> Tensor:
    """Return the softmax focal loss.

    Parameters
    ----------
    inputs
        Logits [N, C] or [N, C, ...] of any floating dtype.
    targets
        Class ids [N] or [N, ...] in [0, C), or `ignore_index`; any integer dtype. Soft labels are refused.
    alpha
        Weight of each class, [C], finite and >= 0; None for 1. The mean does not divide by these weights.
    gamma
        Exponent >= 0; 0 is cross-entropy.
    reduction
        ``"mean"`` over the rows that are not ignored; ``"mean_positive"``: the sum over these divided by the
        number of those that are not of `background_class`, at least 1; ``"sum"``; ``"none"``.
    label_smoothing
        eps in [0, 1]. The focal factor takes the true class's probability, unsmoothed.
    ignore_index
        Rows with this target cost 0 and get no gradient. Their logits may hold anything, even NaN.
    background_class
        See `reduction`.
    sample_weight
        Weight of each row, shape of `targets`, finite and >= 0. Means divide by the sum of the weights
        instead of the number of rows. Rows of weight 0 are ignored.
    gather_distributed
        None or True: over all processes of a data-parallel run, so that averaging their gradients gives the
        gradient of the whole batch. Only two numbers travel, no logits; this matters for ``"mean_positive"``
        and for shares of unequal size. False: over this process. Does not concern ``"none"``.

    Returns
    -------
    Tensor
        Scalar, or the shape of `targets` for ``"none"``; float64 for float64 logits, else float32. A batch
        without rows gives 0. It can be differentiated once: a second derivative raises RuntimeError.

    Raises
    ------
    ValueError
        For an argument out of range, or shapes that do not fit.

    Examples
    --------
    >>> import torch
    >>> softmax_focal(torch.zeros(2, 4), torch.tensor([1, -100])).item()  # (3/4)^2 log 4
    0.7797...
    """
    _focal.check_options(gamma, reduction, _REDUCTIONS)
    _check_smoothing(label_smoothing)
    _check_shapes(inputs, targets)
    weight = _focal.check_sample_weight(sample_weight, targets.shape, "targets")
    if alpha is not None:
        alpha = _class_weights(alpha).to(inputs.device)
        if alpha.numel() != inputs.shape[1]:
            raise ValueError(
                f"alpha: expected one weight for each of {inputs.shape[1]} classes, but got {alpha.numel()}"
            )
    targets = targets.detach().long()
    used = _check_targets(targets, weight, ignore_index, inputs.shape[1])
    mass: Tensor | float | None = None
    if reduction in ("mean", "mean_positive"):
        counted = used
        if reduction == "mean_positive":
            positive = targets != background_class
            counted = positive if used is None else used & positive
        if weight is not None:
            mass = (weight.to(_focal.compute_dtype(inputs)) * (1 if counted is None else counted)).sum()
        else:
            mass = targets.numel() if counted is None else int(counted.sum())
    # A divisor known beforehand is part of the one pass.
    scale = 1.0
    if isinstance(mass, int) and not should_gather(gather_distributed, inputs):
        scale, mass = 1 / max(1, mass), None
    settings = _Settings(
        gamma,
        label_smoothing,
        scale,
        each=reduction == "none",
        train=torch.is_grad_enabled() and inputs.requires_grad,
    )
    rows = _Rows(targets if used is None else torch.where(used, targets, 0), used, weight, alpha)
    with _focal.no_autocast(inputs):
        loss: Tensor = _SoftmaxFocal.apply(  # type: ignore[no-untyped-call]
            inputs, rows, settings
        )
        if reduction == "none":
            return loss
        return _focal.whole_batch(loss, mass, inputs, gather_distributed=gather_distributed)


class SoftmaxFocalLoss(nn.Module):
    """Softmax focal loss with the names and defaults of ``imbalanced_losses.SoftmaxFocalLoss``.

    Where that one fails, this one does not: the gradient is finite for gamma between 0 and 1, ignored rows
    may hold NaN, and an `alpha` of the wrong length is refused.

    Parameters
    ----------
    alpha
        Weight of each class, [C]; None for 1. Kept as a float32 buffer of that name.
    gamma, reduction, label_smoothing, ignore_index, background_class
        As in :func:`softmax_focal`.
    gather_distributed
        As in :func:`softmax_focal`, decided anew at every call. With ``None`` or ``True`` every process has
        to call the loss at every step, even with an empty batch.
    """

    alpha: Tensor | None

    def __init__(
        self,
        alpha: Tensor | Sequence[float] | None = None,
        gamma: float = 2.0,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        background_class: int = 0,
        gather_distributed: bool | None = None,
    ) -> None:
        super().__init__()
        _focal.check_options(gamma, reduction, _REDUCTIONS)
        _check_smoothing(label_smoothing)
        if alpha is None:
            self.alpha = None
        else:
            self.register_buffer("alpha", _class_weights(alpha).float())
        self.gamma = gamma
        self.reduction = reduction
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index
        self.background_class = background_class
        self.gather_distributed = gather_distributed

    def forward(self, inputs: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        """Return :func:`softmax_focal` of logits [N, C, ...] and class ids [N, ...]."""
        return softmax_focal(
            inputs,
            targets,
            alpha=self.alpha,
            gamma=self.gamma,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_index,
            background_class=self.background_class,
            sample_weight=sample_weight,
            gather_distributed=self.gather_distributed,
        )

    def extra_repr(self) -> str:
        """Show the settings."""
        return (
            f"gamma={self.gamma}, reduction={self.reduction!r}, label_smoothing={self.label_smoothing}, "
            f"ignore_index={self.ignore_index}, background_class={self.background_class}"
        )


def _class_weights(alpha: Tensor | Sequence[float]) -> Tensor:
    weights = torch.as_tensor(alpha).detach()
    if weights.ndim != 1:
        raise ValueError(f"alpha: expected a weight for each class, [C], but got {list(weights.shape)}")
    if not bool((torch.isfinite(weights) & (weights >= 0)).all()):
        raise ValueError(f"alpha: expected finite weights of at least 0, but got {weights.tolist()}")
    return weights


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing: expected a number in [0, 1], but got {label_smoothing}")


def _check_shapes(inputs: Tensor, targets: Tensor) -> None:
    _focal.check_logits(inputs)
    if inputs.ndim < 2 or inputs.shape[1] == 0:  # noqa: PLR2004
        raise ValueError(f"inputs: expected logits [N, C] or [N, C, ...], but got {list(inputs.shape)}")
    if targets.is_floating_point():
        raise ValueError(
            f"targets: expected integer class ids, but got {targets.dtype}; soft labels are not supported"
        )
    expected = [inputs.shape[0], *inputs.shape[2:]]
    if list(targets.shape) != expected:
        raise ValueError(
            f"targets: expected {expected} for inputs {list(inputs.shape)}, but got {list(targets.shape)}"
        )


def _check_targets(targets: Tensor, weight: Tensor | None, ignore_index: int, classes: int) -> Tensor | None:
    """Return which rows are used, bool like `targets`; None if the smallest and largest say that all are."""
    if not targets.numel():
        return None
    low, high = torch.stack(torch.aminmax(targets)).tolist()
    if weight is None and low >= 0 and high < classes and not low <= ignore_index <= high:
        return None
    used = targets != ignore_index
    if weight is not None:
        used &= weight > 0
    low, high = torch.stack(torch.aminmax(torch.where(used, targets, 0))).tolist()
    if not 0 <= low <= high < classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"targets: expected class ids from 0 to {classes - 1}, or ignore_index, but got {wrong}"
        )
    return used


@dataclass(frozen=True)
class _Settings:
    """Settings of a call: `scale` multiplies the loss, `each` asks for all rows, `train` for a gradient."""

    gamma: float
    smoothing: float
    scale: float
    each: bool
    train: bool


class _Rows(NamedTuple):
    """For each row a class id in [0, C), whether it is used (None: all are) and its weight; class weights."""

    targets: Tensor
    used: Tensor | None
    weight: Tensor | None
    alpha: Tensor | None

    def part(self, where: tuple[slice, slice], shape: tuple[int, int]) -> _Rows:
        """Return the rows of one piece, flat, of rows that are `shape` in all."""
        used = None if self.used is None else self.used.reshape(shape)[where].reshape(-1)
        weight = None if self.weight is None else self.weight.reshape(shape)[where].reshape(-1)
        return _Rows(self.targets.reshape(shape)[where].reshape(-1), used, weight, self.alpha)

    def factor(self, power: Tensor, scale: float) -> Tensor:
        """Return `power`, overwritten, times all that weighs the loss of each row, [n]."""
        power *= scale
        if self.alpha is not None:
            power *= self.alpha.to(power.dtype)[self.targets]
        if self.weight is not None:
            power *= self.weight.to(power.dtype)
        if self.used is not None:
            power *= self.used
        return power


class _SoftmaxFocal(torch.autograd.Function):
    """Sum, or every row, of the weighted loss; keeps its gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, rows: _Rows, settings: _Settings) -> Tensor:
        dtype = _focal.compute_dtype(inputs)
        x = inputs.detach().reshape(*inputs.shape[:2], math.prod(inputs.shape[2:]))  # [N, C, S]
        shape = (x.shape[0], x.shape[2])
        grad = torch.empty(x.shape if settings.train else 0, dtype=dtype, device=x.device)
        losses = torch.empty(shape if settings.each else 0, dtype=dtype, device=x.device)
        total = x.new_zeros((), dtype=dtype)
        wide = x.shape[1] >= _FEW_CLASSES or x.device.type != "cpu"
        by_row = x.shape[2] == 1 and wide and not settings.smoothing
        for where in _pieces(x, _PIECE if by_row else _TURNED_PIECE):
            logits = x[where[0], :, where[1]]
            out = grad[where[0], :, where[1]] if settings.train else None
            loss = (_by_row if by_row else _by_class)(logits, rows.part(where, shape), settings, out)
            if settings.each:
                losses[where] = loss.view(losses[where].shape)
            else:
                total += loss.sum()
        if settings.train:
            _focal.keep(ctx, inputs, grad.view(inputs.shape))
            ctx.each = settings.each
        return losses.view(rows.targets.shape) if settings.each else total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        above = grads[0].unsqueeze(1) if ctx.each else grads[0]
        return _focal.kept_times(ctx, above), None, None


def _pieces(x: Tensor, elements: int) -> Iterator[tuple[slice, slice]]:
    """Cut [N, C, S] into pieces along N, and along S where a single n is too much."""
    columns = max(1, max(elements, _focal.piece_elements(x.device, 5)) // x.shape[1])
    rows = max(1, columns // max(1, x.shape[2]))
    for n in range(0, x.shape[0], rows):
        for s in range(0, x.shape[2], columns):
            yield slice(n, n + rows), slice(s, s + columns)


def _by_row(x: Tensor, rows: _Rows, settings: _Settings, out: Tensor | None) -> Tensor:
    """Return the losses [n] of logits [n, C, 1] and put their gradient into `out`: for many classes."""
    dtype = _focal.compute_dtype(x)
    x = x[:, :, 0].to(dtype)
    if rows.used is not None:
        x = x.masked_fill(~rows.used[:, None], 0)
    p = torch.empty_like(x, memory_format=torch.contiguous_format) if out is None else out[:, :, 0]
    torch.softmax(x, 1, out=p)
    true = torch.arange(0, p.numel(), p.shape[1], device=p.device).add_(rows.targets)  # places in `flat`
    flat = p.view(-1)
    p_t = flat.index_select(0, true)
    log_pt = p_t.log()
    lost = p_t < torch.finfo(dtype).tiny / torch.finfo(dtype).eps
    if lost.any():
        log_pt[lost] = x[lost].log_softmax(1).gather(1, rows.targets[lost, None])[:, 0]
    # q is the sum of the other probabilities and not 1 - p_t: its digits are all there when p_t rounds to 1.
    flat.index_fill_(0, true, 0)
    q = p.sum(1)
    ce = torch.where(q < _MIDDLE, torch.log1p(-q), log_pt).neg_()
    factor = rows.factor(q**settings.gamma, settings.scale)
    if out is not None:
        slope = torch.addcmul(ce, q, ce, value=-1).mul_(settings.gamma).add_(q).mul_(factor)
        p *= (slope / q.clamp_(min=torch.finfo(dtype).tiny))[:, None]
        flat.index_copy_(0, true, slope.neg_())
    return ce.mul_(factor)


def _by_class(x: Tensor, rows: _Rows, settings: _Settings, out: Tensor | None) -> Tensor:
    """Return the losses of logits [k, C, s] and put their gradient into `out`: few classes, or smoothed."""
    dtype = _focal.compute_dtype(x)
    at, classes, eps = rows.targets[None], x.shape[1], settings.smoothing
    turned = torch.empty(classes, x.shape[0], x.shape[2], dtype=dtype, device=x.device)
    turned.copy_(x.transpose(0, 1))
    e = turned.view(classes, -1)
    if rows.used is not None:
        e.masked_fill_(~rows.used, 0)
    true = e.gather(0, at)
    distance = (e - true).mean(0) if eps else None
    top = e.scatter_(0, at, -torch.inf).amax(0).clamp_(min=torch.finfo(dtype).min)
    others = e.sub_(top).exp_().sum(0)
    z = (top - true[0]).add_(others.log()).clamp_(min=torch.finfo(dtype).min)
    p_t = torch.sigmoid(-z) if eps else None
    power, ce, slope = _focal.focal_terms(
        z, settings.gamma, torch.empty(3, *z.shape, dtype=dtype, device=z.device).unbind()
    )
    if distance is not None and p_t is not None:
        ce.sub_(distance, alpha=eps)
        slope.sub_(p_t.mul_(distance), alpha=eps * settings.gamma)
    factor = rows.factor(torch.ones_like(z) if power is None else power, settings.scale)
    if out is not None:
        slope *= factor
        e *= slope / others.clamp_(min=torch.finfo(dtype).tiny)
        e.scatter_(0, at, slope.neg_().add_(factor, alpha=eps)[None])
        if eps:
            e.sub_(factor, alpha=eps / classes)
        out.copy_(turned.transpose(0, 1))
    return ce.mul_(factor)
