r"""Sigmoid focal loss for binary and multi-label classification.

With p = sigmoid(x), p_t = p y + (1 - p) (1 - y) and alpha_t = alpha y + (1 - alpha) (1 - y)::

    L = alpha_t (1 - p_t)^gamma BCE(x, y)

Source: Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017. The arithmetic
is that of :mod:`imbalance_doctor.losses._focal`: value and gradient come from one pass over pieces that fit
the cache, only the gradient is kept for the backward pass, and both are finite for every gamma >= 0 and every
finite logit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.losses import _focal
from imbalance_doctor.losses._compiled import in_turns, kernels
from imbalance_doctor.losses.gather import should_gather

__all__ = ["SigmoidFocalLoss", "sigmoid_focal"]

_REDUCTIONS = ("none", "mean", "sum")
_OFF = -1
_MIDDLE = 0.5
_SHARED = 1 << 18  # logits from which a second thread pays


@_focal.eager
def sigmoid_focal(
    inputs: Tensor,
    targets: Tensor,
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "mean",
    sample_weight: Tensor | None = None,
    gather_distributed: bool | None = False,
) -> Tensor:
    """Return the sigmoid focal loss.

    Parameters
    ----------
    inputs
        Logits of any shape and floating dtype.
    targets
        Labels of the same shape: 0 and 1 of any dtype (integer and bool too), or float soft labels in [0, 1],
        for which the formula above is taken as it stands: the loss interpolates, and its minimum need not lie
        at p = y.
    alpha
        Weight of positives in [0, 1], 1 - alpha for negatives; -1 for none.
    gamma
        Exponent >= 0; 0 is binary cross-entropy.
    reduction
        ``"mean"`` over all elements, ``"sum"`` or ``"none"``.
    sample_weight
        Weight of each element, finite and >= 0: dimension 0 as in `inputs`, the others as in `inputs` or 1.
        The mean divides by the sum of the weights.
        What has weight 0 may hold anything, even NaN, and gets no gradient.
    gather_distributed
        None or True: over all processes of a data-parallel run, so that averaging their gradients gives the
        gradient of the whole batch, with shares of unequal size, too. Only two numbers travel, no logits. For
        a mean over equal shares this changes no gradient. False: over this process. Does not concern
        ``"none"``.

    Returns
    -------
    Tensor
        Scalar, or the shape of `inputs` for ``"none"``; float64 for float64 logits, else float32. An empty
        batch gives 0. It can be differentiated once: a second derivative raises RuntimeError.

    Raises
    ------
    ValueError
        For an argument out of range, or shapes that differ.

    Examples
    --------
    >>> import torch
    >>> sigmoid_focal(torch.tensor([0.0, 0.0]), torch.tensor([1, 0])).item()  # (1/4 + 3/4)/2 * 1/4 * log 2
    0.0866...
    """
    _check_alpha(alpha)
    _focal.check_options(gamma, reduction, _REDUCTIONS)
    _focal.check_logits(inputs)
    _focal.check_shape(targets, inputs.shape)
    weight = _focal.check_sample_weight(sample_weight, inputs.shape, "inputs")
    mass: Tensor | float | None = None
    if reduction == "mean":
        mass = inputs.numel()
        if weight is not None:
            mass = weight.to(_focal.compute_dtype(inputs)).sum() * (mass // max(1, weight.numel()))
    # A divisor known beforehand is part of the one pass.
    scale = 1.0
    if isinstance(mass, int) and mass and not should_gather(gather_distributed, inputs):
        scale, mass = 1 / mass, None
    train = torch.is_grad_enabled() and inputs.requires_grad
    with _focal.no_autocast(inputs):
        loss: Tensor = _SigmoidFocal.apply(  # type: ignore[no-untyped-call]
            inputs,
            targets.detach(),
            weight,
            _Options(alpha, gamma, scale, each=reduction == "none", train=train),
        )
        if reduction == "none":
            return loss
        return _focal.whole_batch(loss, mass, inputs, gather_distributed=gather_distributed)


class SigmoidFocalLoss(nn.Module):
    """Sigmoid focal loss with the names and defaults of ``imbalanced_losses.SigmoidFocalLoss``.

    Where that one fails, this one does not: the gradient is finite for gamma between 0 and 1, integer targets
    are taken, an empty batch costs 0, and options are checked when they are given.

    Parameters
    ----------
    alpha, gamma, reduction
        As in :func:`sigmoid_focal`. The default alpha of 0.25 gives a positive a third of the weight of a
        negative: it suits detectors with very many easy negatives; -1 turns it off.
    gather_distributed
        As in :func:`sigmoid_focal`, decided anew at every call. With ``None`` or ``True`` every process has
        to call the loss at every step, even with an empty batch.
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        reduction: str = "mean",
        gather_distributed: bool | None = None,
    ) -> None:
        super().__init__()
        _check_alpha(alpha)
        _focal.check_options(gamma, reduction, _REDUCTIONS)
        self.alpha = alpha
        self.gamma = gamma
        self.reduction = reduction
        self.gather_distributed = gather_distributed

    def forward(self, inputs: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        """Return :func:`sigmoid_focal` of logits and labels of one shape."""
        return sigmoid_focal(
            inputs,
            targets,
            alpha=self.alpha,
            gamma=self.gamma,
            reduction=self.reduction,
            sample_weight=sample_weight,
            gather_distributed=self.gather_distributed,
        )

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"alpha={self.alpha}, gamma={self.gamma}, reduction={self.reduction!r}"


def _check_alpha(alpha: float) -> None:
    if not (0 <= alpha <= 1 or alpha == _OFF):
        raise ValueError(f"alpha: expected a number in [0, 1], or -1 for none, but got {alpha}")


@dataclass(frozen=True)
class _Options:
    """Settings of a call: `scale` multiplies the loss, `each` asks for all of it, `train` for a gradient."""

    alpha: float
    gamma: float
    scale: float
    each: bool
    train: bool


def _compiled(x: Tensor, y: Tensor, options: _Options) -> tuple[Tensor, Tensor] | None:
    """Sum and gradient from the compiled kernel; None without it, and for soft labels and odd logits."""
    found = kernels("focal") if x.device.type == "cpu" and x.dtype == torch.float32 else None
    if found is None:
        return None
    scale = np.float32(options.scale)
    plain = options.alpha == _OFF
    weights = (
        (scale, scale)
        if plain
        else (scale * np.float32(1 - options.alpha), scale * np.float32(options.alpha))
    )
    logits, labels, gradient = x.numpy(), y.to(x.dtype).numpy(), torch.empty_like(x)
    grad = gradient.numpy()
    step = max(_SHARED, -(-logits.size // torch.get_num_threads()))
    totals: list[float] = []

    def run(part: slice) -> None:
        total, holds = found.focal(logits[part], labels[part], weights, np.float32(options.gamma), grad[part])
        totals.append(total if holds else math.nan)

    in_turns(run, [slice(start, start + step) for start in range(0, logits.size, step)])
    total = math.fsum(totals)
    return None if math.isnan(total) else (x.new_tensor(total), gradient)


class _SigmoidFocal(torch.autograd.Function):
    """Sum, or every element, of the weighted loss; keeps its gradient."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, targets: Tensor, weight: Tensor | None, options: _Options
    ) -> Tensor:
        dtype = _focal.compute_dtype(inputs)
        x, y = inputs.detach().reshape(-1), targets.reshape(-1)
        done = None if options.each or weight is not None else _compiled(x, y, options)
        if done is not None:
            _focal.keep(ctx, inputs, done[1].view(inputs.shape))
            return done[0]
        w = None if weight is None else weight.expand(inputs.shape).reshape(-1)
        grad = torch.empty(x.shape if options.train else 0, dtype=dtype, device=x.device)
        losses = torch.empty(x.shape if options.each else 0, dtype=dtype, device=x.device)
        needed = 3 + _focal.spare_terms(options.gamma) + (not options.train)
        pieces = -(-x.numel() // _focal.piece_elements(x.device, needed))
        size = -(-x.numel() // max(1, pieces))
        buffers = _focal.scratch(needed, size, x, dtype)
        form = _Pieces(options, x.new_ones((), dtype=dtype))
        total = x.new_zeros((), dtype=dtype)
        for start in range(0, x.numel(), max(1, size)):
            piece = slice(start, start + size)
            if start + size > x.numel():
                buffers = tuple(buffer[: x.numel() - start] for buffer in buffers)
            taken = (grad[piece], *buffers) if options.train else buffers
            factor, ce, slope = form.terms(x[piece].to(dtype), y[piece].to(dtype), taken)
            if w is not None:
                share = w[piece].to(dtype)
                factor.mul_(share)
                # What has weight 0 becomes 0, whatever it was.
                for part in (factor, ce, slope):
                    part.masked_fill_(share == 0, 0)
            if options.train:
                torch.mul(slope, factor, out=grad[piece])
            if options.each:
                torch.mul(factor.abs_(), ce, out=losses[piece])
            else:
                total += torch.dot(factor.abs_(), ce)
        if options.train:
            _focal.keep(ctx, inputs, grad.view(inputs.shape))
        return losses.view(inputs.shape) if options.each else total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        return _focal.kept_times(ctx, grads[0]), None, None, None


class _Pieces:
    """The terms of the loss for one piece of the logits after the other."""

    def __init__(self, options: _Options, one: Tensor) -> None:
        self.options = options
        self.one = one
        self.alpha = _MIDDLE if options.alpha == _OFF else options.alpha
        self.scale = options.scale * (2 if options.alpha == _OFF else 1)
        # The weight of an element with the sign that turns the slope of its margin into that of its logit:
        # scale (1 - alpha) for a negative, -scale alpha for a positive. Of its two forms the one that takes
        # away the smaller of alpha and 1 - alpha, of which no digits may be lost.
        self.base = one * (self.scale * (-self.alpha if self.alpha < _MIDDLE else 1 - self.alpha))

    def terms(self, x: Tensor, y: Tensor, buffers: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Return (f, CE, s) with L = |f| CE and dL/dx = f s, all of which may be overwritten."""
        slope, z, ce, negative, *rest = buffers
        gamma = self.options.gamma
        torch.sub(self.one, y, out=negative)
        between = torch.mul(negative, y, out=ce)
        if torch.dot(between, between).item() != 0:
            return _soft_terms(
                x, y, gamma, self.scale * torch.lerp(1 - self.alpha * self.one, self.alpha * self.one, y)
            )
        # Every label is 0 or 1. The sign of 1 - 2 y turns the logit into the margin.
        torch.addcmul(x, x, y, value=-2, out=z)
        power, ce, slope = _focal.focal_terms(z, gamma, (ce, slope, *rest))
        if self.alpha < _MIDDLE:
            weight = torch.add(self.base, negative, alpha=self.scale, out=negative)
        else:
            weight = torch.sub(self.base, y, alpha=self.scale, out=negative)
        return (weight if power is None else power.mul_(weight)), ce, slope


def _soft_terms(x: Tensor, y: Tensor, gamma: float, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Take labels inside [0, 1], of which each has its weight; terms as in :meth:`_Pieces.terms`.

    1 - p_t = p (1 - y) + (1 - p) y is a sum of what is never negative, and (1 - p) p / (1 - p_t) a mean of p
    and 1 - p, so no power with a negative exponent appears here, either.
    """
    _focal.check_range(y)
    p, not_p = torch.sigmoid(x), torch.sigmoid(-x)
    q = torch.lerp(p, not_p, y)
    bce = x.clamp(min=0) * (1 - y) - x.clamp(max=0) * y + functional.softplus(-x.abs(), 1, 700)
    mean = p * not_p / q.clamp(min=torch.finfo(x.dtype).tiny)
    return weight.mul_(q**gamma), bce, p * (1 - y) - not_p * y + gamma * (1 - 2 * y) * mean * bce
