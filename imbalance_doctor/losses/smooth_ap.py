r"""Smooth average precision (Smooth-AP), in nearly linear time and O(pool) memory.

For a class with positives P in a pool of M scores, with :math:`D_{ij} = \sigma((s_j - s_i) / \tau)`,

.. math::

    R_i = 1 + \sum_{j \ne i} D_{ij}, \quad R^+_i = 1 + \sum_{j \in P, j \ne i} D_{ij}, \quad
    AP = \frac{\sum_{i \in P} w_i R^+_i / R_i}{\sum_{i \in P} w_i}, \quad loss = 1 - AP

Ties count one half. As the temperature goes to 0 the value becomes average precision. All scores equal give
``1 - (P + 1) / (M + 1)``.

Source: Brown, Xie, Kalogeiton, Zisserman 2020, "Smooth-AP: smoothing the path towards large-scale image
retrieval", equations 5 and 6.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from imbalance_doctor.losses import _average_precision, _grid
from imbalance_doctor.losses.base import Pool, RankingLoss

__all__ = ["SmoothAPLoss", "smooth_ap"]


def smooth_ap(
    scores: Tensor,
    positive: Tensor,
    *,
    temperature: float | Tensor = 0.01,
    live: int | None = None,
    weight: Tensor | None = None,
    pool_weight: Tensor | None = None,
    method: _grid.Method = "auto",
) -> tuple[Tensor, Tensor]:
    """Return 1 - Smooth-AP of every class over a pool.

    The gradient is computed with the value, and only the gradient of the live rows is kept: O(live * C)
    memory. Sums are in double precision whatever the type of the scores, also under autocast. Second
    derivatives are not available.

    Parameters
    ----------
    scores
        Scores of the pool, floating point [M, C]. Infinities count as limits: they rank above or below
        everything finite, tie among themselves, and get gradient 0. A NaN makes the loss and the gradient of
        its class NaN.
    positive
        Which rows are positive for which class, bool [M, C]; rows may be positive for several classes.
    temperature
        Width of the sigmoid in units of the scores, above 0: a number, or one for each class, [C]. No
        gradient.
    live
        Rows ``[0, live)`` receive gradient, the others are constants; None for all.
    weight
        Weight w of each row in the mean over positives, at least 0, [M]; ranks ignore it. None for 1.
    pool_weight
        How many rows each row stands for, at least 0, [M]: the inverse inclusion probabilities of a capped
        pool. Multiplies the row in both rank sums and in the mean over positives; the 1 that stands for the
        ranked row itself stays 1. None for 1.
    method
        ``dense`` writes all pairs out, in pieces; ``grid`` sums on a spline grid; ``window`` sorts and writes
        out near pairs only; ``auto`` takes the cheapest for each class. They agree to 1e-10 for float64
        scores.

    Returns
    -------
    loss : Tensor
        ``1 - AP`` of each class in [0, 1], [C]; float64 for float64 scores, otherwise float32. NaN where
        `valid` is False.
    valid : Tensor
        bool [C]. False for a class without positives, without negatives, or whose positives have no weight.
        Its gradient is exactly 0, so leave it out of a reduction with `torch.where` or by indexing.

    Raises
    ------
    ValueError
        On shapes, types or values other than these.

    Examples
    --------
    >>> scores = torch.tensor([[0.9], [0.1], [0.4], [0.3]])
    >>> positive = torch.tensor([[True], [False], [False], [True]])
    >>> loss, valid = smooth_ap(scores, positive)
    >>> round(loss.item(), 4), valid.tolist()
    (0.1667, [True])
    """
    _check(scores, positive, live, weight, pool_weight, method)
    rows, classes = scores.shape
    if isinstance(temperature, float):  # a call instead of three
        scale = scores.new_full((classes,), temperature, dtype=torch.float64)
    else:
        scale = torch.as_tensor(temperature, dtype=torch.float64, device=scores.device).detach()
        if scale.shape not in {(), (classes,)}:
            raise ValueError(f"temperature: expected a number or [{classes}], but got {list(scale.shape)}")
        scale = scale.expand(classes)
    loss, valid = _SmoothAP.apply(  # type: ignore[no-untyped-call]
        scores, positive, scale, rows if live is None else live, weight, pool_weight, method
    )
    return loss, valid


def _check(
    scores: Tensor,
    positive: Tensor,
    live: int | None,
    weight: Tensor | None,
    pool_weight: Tensor | None,
    method: str,
) -> None:
    if scores.ndim != 2 or not scores.is_floating_point():  # noqa: PLR2004
        raise ValueError(
            f"scores: expected floating point [M, C], but got {scores.dtype} {list(scores.shape)}"
        )
    if positive.shape != scores.shape or positive.dtype != torch.bool:
        raise ValueError(
            f"positive: expected bool {list(scores.shape)}, but got {positive.dtype} {list(positive.shape)}"
        )
    rows = scores.shape[0]
    for name, value in (("weight", weight), ("pool_weight", pool_weight)):
        if value is not None and value.shape != (rows,):
            raise ValueError(f"{name}: expected [{rows}], but got {list(value.shape)}")
    if live is not None and not 0 <= live <= rows:
        raise ValueError(f"live: expected 0 to {rows}, but got {live}")
    if method not in {"auto", "dense", "grid", "window"}:
        raise ValueError(f"method: expected auto, dense, grid or window, but got {method!r}")


class _SmoothAP(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        scores: Tensor,
        positive: Tensor,
        scale: Tensor,
        live: int,
        weight: Tensor | None,
        pool_weight: Tensor | None,
        method: _grid.Method,
    ) -> tuple[Tensor, Tensor]:
        live = live if ctx.needs_input_grad[0] else 0  # type: ignore[attr-defined]
        loss, valid, gradient = _average_precision.average_precision(
            scores, positive, scale, live, weight, pool_weight, method
        )
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(valid)
        ctx.rows, ctx.dtype = scores.shape[0], scores.dtype  # type: ignore[attr-defined]
        return loss, valid

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors  # type: ignore[attr-defined]
        if gradient.device.type == "cpu":  # numpy wakes no threads
            force = upstream[0].numpy()
            alike = force.size > 1 and (force == force[0]).all()  # as under a mean: one long loop, not many
            out = torch.from_numpy(gradient.numpy() * (force[0] if alike else force))
        else:
            out = gradient * upstream[0]
        if len(out) < ctx.rows:  # type: ignore[attr-defined]
            out = torch.cat([out, out.new_zeros(ctx.rows - len(out), out.shape[1])])  # type: ignore[attr-defined]
        return out.to(ctx.dtype), None, None, None, None, None, None  # type: ignore[attr-defined]


class SmoothAPLoss(RankingLoss):
    """Smooth average precision over a pool; ``imbalanced_losses.SmoothAPLoss`` with its faults mended.

    Time is nearly linear in the pool and memory proportional to it, so `max_pool_size` is rarely needed.

    Parameters
    ----------
    num_classes, queue_size, temperature, reduction, ignore_index, update_queue_in_eval, gather_distributed
        As for :class:`~imbalance_doctor.losses.base.RankingLoss`.
    max_pool_size, cap, tau_scale, pos_numerator
        Likewise.

    Notes
    -----
    Each class is ranked by its own column. Scores trained by a softmax carry an offset for each row, which
    cross-entropy does not see and ranking does: pass ``logits.log_softmax(1)`` then.
    """

    def _score(self, pool: Pool) -> tuple[Tensor, Tensor]:
        return smooth_ap(
            pool.scores,
            pool.positive,
            temperature=self._scaled_temperature(pool.scores),
            live=pool.live,
            weight=self._numerator_weight(pool),
            pool_weight=pool.pool_weight,
        )
