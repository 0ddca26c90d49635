r"""Partial area under the ROC curve between two false-positive budgets, normalised to [0, 1].

For a class, let t(f) be the (1 - f) quantile of the reference scores: those of its iid negatives
(``budget_basis='fpr'``), or of all iid rows (``'population'``). The temperature is relative: :math:`\tau` =
temperature * scale, the scale being the interquartile range of the reference scores (``tau_scale='iqr'``) or
the width t(alpha) - t(beta) of the band (``'band'``).

``trapezoid``
    :math:`TPR(f) = \sum_i w_i \sigma((s_i - t(f)) / \tau) / \sum_i w_i` over positives, integrated over
    [alpha, beta] by the trapezoid rule on `n_knots` equidistant budgets.
``pairwise``
    The weighted mean of :math:`\sigma((s_i - s_j) / \tau)` over positives i and all negatives j with t(beta)
    <= s_j <= t(alpha).

The loss is 1 - pAUC. It does not change when all scores are shifted, or scaled by a positive number.

Differs from ``imbalanced_losses``: the trapezoid has the gradient of the pairwise form (`anchor`), which is
its limit for many knots when each threshold moves with the negative it rests on, where constant thresholds
let all scores rise together for ever (on HTRU2, one seed, 400 steps took held-out pAUC at 2 % from .837 to
.850, and to .728 with constant thresholds); a scale of 0, as with scores of which three quarters are equal,
gives way to the other one; from alpha = 0 the pairwise band is open above, so that mined negatives beyond the
highest iid one are in it.

Source: the ``PAUCAtBudgetLoss`` of ``imbalanced-losses`` 0.6; Narasimhan and Agarwal 2013, "SVMpAUC-tight",
for the objective.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imbalance_doctor.losses import _grid, _host
from imbalance_doctor.losses._host import Interpolation
from imbalance_doctor.losses._thresholds import (
    Entries,
    Slopes,
    by_class,
    column_quantiles,
    entries,
    fate_of,
    known_gradient,
    sparse_gradient,
)
from imbalance_doctor.losses.base import Numerator, Pool, RankingLoss, Reduction, one_of
from imbalance_doctor.losses.pool import Cap
from imbalance_doctor.losses.queue import Rows

__all__ = ["PAUCAtBudgetLoss", "pauc_at_budget"]

Surrogate = Literal["trapezoid", "pairwise"]
Basis = Literal["fpr", "population"]
Scale = Literal["iqr", "band", "std", "none"]

_NO_SPREAD = 1e-12
_QUARTILES = (0.75, 0.25)
_ALONE = 250_000  # pairs of a class from which it is summed alone, on a grid where that is faster
_BLOCK = 1 << 18
_REACH = 45.0  # temperatures beyond which a sigmoid is 0 or 1 in double precision


class _Details(NamedTuple):
    """What a step found out about each class, [C]."""

    t_alpha: Tensor
    t_beta: Tensor
    tau: Tensor
    band_neg_count: Tensor
    pauc_var: Tensor


class _Thresholds(NamedTuple):
    """Thresholds [K, C] from t(alpha) down to t(beta); temperature [C]; classes without spread, bool [C]."""

    knots: Tensor
    tau: Tensor
    flat: Tensor


class _Sums(NamedTuple):
    """Mean of each entry over thresholds or band and its derivative by the score, [E] each."""

    value: Tensor
    slope: Tensor


class _Band(NamedTuple):
    """Derivatives of the loss by the negatives of the bands; classes that have a band, bool [C]."""

    slopes: Slopes
    found: Tensor


def pauc_at_budget(  # noqa: PLR0913  as many facts as the class has options
    scores: Tensor,
    positive: Tensor,
    *,
    alpha: float = 0.0,
    beta: float = 0.005,
    surrogate: Surrogate = "trapezoid",
    n_knots: int = 2,
    tau_scale: Scale = "iqr",
    pos_numerator: Numerator = "pool",
    budget_basis: Basis = "fpr",
    temperature: float = 0.1,
    interpolation: Interpolation = "higher",
    iid: Tensor | None = None,
    live: int | None = None,
    weight: Tensor | None = None,
    pool_weight: Tensor | None = None,
    anchor: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return 1 - partial AUC of every class over a pool.

    The gradient is computed with the value. Second derivatives are not available.

    Parameters
    ----------
    scores
        Scores of the pool, floating point [M, C].
    positive
        Which rows are positive for which class, bool [M, C].
    alpha, beta
        Budget: shares of the reference scores above the thresholds, 0 <= alpha < beta <= 1.
    surrogate, n_knots, tau_scale, budget_basis
        See the module. `tau_scale` also takes ``'std'``, of the reference scores, and ``'none'``, a
        temperature in score units.
    pos_numerator
        ``'live'``: the mean runs over live positives only.
    temperature
        Above 0, relative to the scale.
    interpolation
        Between the order statistics around a quantile.
    iid
        Rows that may estimate thresholds, bool [M]; None for all.
    live
        Rows ``[0, live)`` receive gradient, the others are constants; None for all.
    weight
        Weight w of each row as a positive, at least 0, [M]; None for 1.
    pool_weight
        How many rows each row stands for, [M]; None for 1.
    anchor
        Give the trapezoid the gradient of the pairwise form, which reaches the band's negatives too. False:
        its thresholds are constants, and only positives get gradient.

    Returns
    -------
    loss : Tensor
        [C], float64 for float64 scores, otherwise float32. NaN where `valid` is False, and for a class with a
        NaN score.
    valid : Tensor
        bool [C]. False for a class without positives (live ones where asked), without iid negatives, whose
        positives have no weight, whose reference scores have no spread, or without negatives in the band. Its
        gradient is exactly 0.
    """
    task = _Task(
        alpha,
        beta,
        surrogate,
        n_knots,
        tau_scale,
        pos_numerator,
        budget_basis,
        temperature,
        interpolation,
        anchor,
    )
    if scores.shape == (scores.shape[0], 1) and scores.shape[0] and iid is None and pool_weight is None:
        alone = _solve_alone(task, scores, positive[:, 0].long(), live, weight)
        if alone is not None:
            return alone.view(1), torch.ones(1, dtype=torch.bool)
    loss, valid, _ = _solve(task, scores, positive, iid, live, weight, pool_weight, details=False)
    return loss, valid


class _Task(NamedTuple):
    alpha: float
    beta: float
    surrogate: Surrogate
    n_knots: int
    tau_scale: Scale
    pos_numerator: Numerator
    budget_basis: Basis
    temperature: float
    interpolation: Interpolation
    anchor: bool

    def levels(self) -> np.ndarray:
        """Quantile levels of the knots, from 1 - alpha down to 1 - beta, and of what sets the scale."""
        knots = self.n_knots if self.surrogate == "trapezoid" else 2
        return _levels(self.alpha, self.beta, knots, relative=self.tau_scale in {"iqr", "band"})


@lru_cache(maxsize=64)
def _levels(alpha: float, beta: float, count: int, *, relative: bool) -> np.ndarray:
    levels = 1.0 - torch.linspace(alpha, beta, count, dtype=torch.float64).numpy()
    levels[0], levels[-1] = 1.0 - alpha, 1.0 - beta
    return np.concatenate([levels, _QUARTILES]) if relative else levels


def _solve(
    task: _Task,
    scores: Tensor,
    positive: Tensor,
    iid: Tensor | None,
    live: int | None,
    weight: Tensor | None,
    pool_weight: Tensor | None,
    *,
    details: bool,
) -> tuple[Tensor, Tensor, _Details | None]:
    scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    plain = scores.detach()
    rows, classes = plain.shape
    live = rows if live is None else live
    if classes == 1 and plain.device.type == "cpu" and pool_weight is None and not details:
        alone = _one_class(task, scores, positive, iid, live, weight)
        if alone is not None:
            return *alone, None
    found = entries(positive, weight, pool_weight, plain.dtype)
    reference = _reference(plain, found, iid, pool_weight)
    if reference is None:
        loss = scores[:0].sum(0) + torch.nan
        return loss, torch.zeros(classes, dtype=torch.bool, device=scores.device), None
    at = _thresholds(task, reference)
    if task.pos_numerator == "live":
        found = found.take(found.row < live)
    mass = by_class(found.weight, found.column, classes)
    poisoned = plain.amax(0).isnan()
    valid = (mass > 0) & (reference.negatives > 0) & ~(at.flat & ~poisoned)
    wanted = scores.requires_grad and torch.is_grad_enabled()
    share = found.weight / mass.where(valid, 1.0)[found.column]
    usable = valid & ~poisoned
    parts = []
    if task.surrogate == "trapezoid":
        sums = _trapezoid(plain, found, at)
        if task.anchor and wanted:
            pairs, band = _pairwise(task, plain, positive, found, at, usable, share, pool_weight)
            sums = sums._replace(slope=torch.where(band.found[found.column], pairs.slope, sums.slope))
            parts = [band.slopes]
    else:
        sums, band = _pairwise(task, plain, positive, found, at, usable, share, pool_weight)
        valid = valid & (band.found | poisoned)
        parts = [band.slopes]
    share = share * valid[found.column]
    loss = (1 - by_class(share * sums.value, found.column, classes)).masked_fill(poisoned | ~valid, torch.nan)
    facts = _details(plain, reference, at, found, sums.value, valid) if details else None
    if wanted:
        parts.append(Slopes(found.row * classes + found.column, found.column, -share * sums.slope))
        slopes = Slopes(*map(torch.cat, zip(*parts, strict=True)))
        loss = known_gradient(scores, loss, live, slopes, fate=fate_of(valid, poisoned))
    return loss, valid, facts


# -- one class on the CPU ----------------------------------------------------


def _solve_alone(
    task: _Task, scores: Tensor, targets: Tensor, live: int | None, weight: Tensor | None
) -> Tensor | None:
    """Return the loss of a class alone, [], from one compiled call; None for the other forms, or no loss."""
    if scores.dtype != torch.float32 or scores.device.type != "cpu" or task.tau_scale == "std":
        return None
    wanted = scores.requires_grad and torch.is_grad_enabled()
    pairwise = task.surrogate == "pairwise"
    solved = _host.pauc_alone(
        scores.detach().numpy(),
        targets.numpy(),
        task.levels(),
        None if weight is None else weight.detach().numpy(),
        (task.interpolation, task.tau_scale, _NO_SPREAD, task.temperature),
        (
            task.budget_basis == "fpr",
            task.alpha <= 0,
            pairwise,
            pairwise or task.anchor,
            task.pos_numerator == "live",
        ),
        scores.shape[0] if live is None else live,
        wanted=wanted,
    )
    if solved is None:
        return None
    loss = torch.from_numpy(np.array(solved[0], np.float32))
    return sparse_gradient(scores, loss, *map(torch.from_numpy, solved[1:])) if wanted else loss


def _one_class(
    task: _Task, scores: Tensor, positive: Tensor, iid: Tensor | None, live: int, weight: Tensor | None
) -> tuple[Tensor, Tensor] | None:
    """Solve one class in numpy; None for what the general form has to look at: no loss, NaN, infinities."""
    column, at = scores.detach().numpy().ravel(), np.flatnonzero(positive.numpy())
    negatives = column.copy()
    negatives[at] = -np.inf
    set_ = _host_thresholds(task, column, negatives, at, None if iid is None else iid.numpy())
    if task.pos_numerator == "live":
        at = at[: np.searchsorted(at, live)]
    share = np.ones(at.size, column.dtype) if weight is None else weight.detach().numpy()[at]
    mass = share.sum()
    if set_ is None or not mass > 0:
        return None
    knots, tau = set_
    share = share / mass
    x = column[at]
    wanted = scores.requires_grad and torch.is_grad_enabled()
    there, pull = np.empty(0, at.dtype), np.empty(0, column.dtype)
    pairwise = task.surrogate == "pairwise"
    if not pairwise:
        value, slope = _host_trapezoid(x, knots, tau, wanted=wanted and not task.anchor)
    if pairwise or (wanted and task.anchor):
        inside = negatives >= knots[-1]
        if task.alpha > 0:
            inside &= negatives <= knots[0]
        there = np.flatnonzero(inside)
        if not there.size:
            return None
        mean, slope, pull = _host_pairs(x, column[there], tau, share)
        value = mean if pairwise else value
    loss = torch.tensor([1 - share @ value], dtype=scores.dtype)
    valid = torch.ones(1, dtype=torch.bool)
    if not wanted:
        return loss, valid
    place = torch.from_numpy(np.concatenate([at, there]))
    derivative = np.concatenate([share * slope, pull]).astype(column.dtype, copy=False)
    slopes = Slopes(place, torch.zeros_like(place), torch.from_numpy(np.negative(derivative)))
    return known_gradient(scores, loss, live, slopes), valid


def _host_thresholds(
    task: _Task, column: np.ndarray, negatives: np.ndarray, at: np.ndarray, iid: np.ndarray | None
) -> tuple[list[float], float] | None:
    """Return knots and temperature; None where they do not exist or are not finite."""
    reference, missing = (negatives if task.budget_basis == "fpr" else column), at.size
    if iid is not None:
        reference, missing = reference[iid], int(iid[at].sum())
    if missing == reference.size or not np.isfinite(column.sum()):
        return None
    if task.budget_basis == "population":
        missing = 0
    relative = task.tau_scale in {"iqr", "band"}
    found = _host.quantiles(reference, task.levels().tolist(), task.interpolation, missing)
    knots, scale = (found[:-2] if relative else found), 1.0
    if relative:
        band, iqr = knots[0] - knots[-1], found[-2] - found[-1]
        first, second = (iqr, band) if task.tau_scale == "iqr" else (band, iqr)
        scale = float(first if first > _NO_SPREAD else second)
    elif task.tau_scale == "std":
        scale = float(reference[reference > -np.inf].std())
    return (knots, task.temperature * scale) if scale > _NO_SPREAD else None


def _host_trapezoid(
    x: np.ndarray, knots: list[float], tau: float, *, wanted: bool
) -> tuple[np.ndarray, np.ndarray]:
    value, slope = np.zeros_like(x), np.zeros_like(x)
    for k, knot in enumerate(knots):
        share = (0.5 if k in {0, len(knots) - 1} else 1.0) / (len(knots) - 1)
        above = _host.logistic((x - knot) / x.dtype.type(tau))
        value += share * above
        if wanted:
            slope += share / tau * above * (1 - above)
    return value, slope


def _host_pairs(
    x: np.ndarray, y: np.ndarray, tau: float, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the band y for each positive x, its derivative, and that of the mean of all by the band."""
    sums: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    if x.dtype == np.float32:
        sums = _host.near_pairs(x, y, tau, share)
    if sums is None:
        near = torch.from_numpy(x.clip(y.min() - _REACH * tau, y.max() + _REACH * tau))
        exact = _grid.pair_sums(near, torch.from_numpy(y), tau, query_weight=torch.from_numpy(share))
        sums = exact.value.numpy(), exact.query_slope.numpy(), exact.source_slope.numpy()
    value, slope, pull = (part / y.size for part in sums)
    return value, slope, pull


# -- thresholds ---------------------------------------------------------------


class _Reference(NamedTuple):
    """The iid rows: scores [R, C], positives among them, weights [R] or None, negatives of each class [C]."""

    scores: Tensor
    positives: Entries
    weight: Tensor | None
    negatives: Tensor


def _reference(
    scores: Tensor, positives: Entries, iid: Tensor | None, weight: Tensor | None
) -> _Reference | None:
    if iid is not None and not bool(iid.all()):
        place = iid.cumsum(0) - 1
        positives = positives.take(iid[positives.row])
        positives = positives._replace(row=place[positives.row])
        scores, weight = scores[iid], None if weight is None else weight[iid]
    if not scores.shape[0]:
        return None
    ones = torch.ones_like(positives.row)
    negatives = scores.shape[0] - by_class(ones, positives.column, scores.shape[1])
    return _Reference(scores, positives, weight, negatives)


def _thresholds(task: _Task, reference: _Reference) -> _Thresholds:
    without = reference.positives if task.budget_basis == "fpr" else None
    levels = task.levels().tolist()
    found = column_quantiles(
        reference.scores, levels, task.interpolation, without=without, weight=reference.weight
    )
    relative = task.tau_scale in {"iqr", "band"}
    knots = found[:-2] if relative else found
    if relative:
        band, iqr = knots[0] - knots[-1], found[-2] - found[-1]
        first, second = (iqr, band) if task.tau_scale == "iqr" else (band, iqr)
        scale = torch.where(first <= _NO_SPREAD, second, first)
    elif task.tau_scale == "std":
        scale = _deviation(reference, without)
    else:
        scale = torch.ones_like(knots[0])
    flat = scale <= _NO_SPREAD
    return _Thresholds(knots, task.temperature * scale.clamp(min=_NO_SPREAD), flat)


def _deviation(reference: _Reference, without: Entries | None) -> Tensor:
    """Return the standard deviation of each class's reference scores, [C]."""
    mass = torch.ones_like(reference.scores)
    if reference.weight is not None:
        mass = mass * reference.weight[:, None]
    if without is not None:
        mass = mass.index_put((without.row, without.column), mass.new_zeros(()))
    total = mass.sum(0).clamp(min=_NO_SPREAD)
    centred = reference.scores - (mass * reference.scores).sum(0) / total
    return ((mass * centred.square()).sum(0) / total).sqrt()


# -- surrogates ---------------------------------------------------------------


def _trapezoid(scores: Tensor, found: Entries, at: _Thresholds) -> _Sums:
    knots = at.knots.shape[0]
    part = scores.new_full((knots,), 1 / (knots - 1))
    part[0] = part[-1] = 0.5 / (knots - 1)
    tau = at.tau[found.column]
    score = scores[found.row, found.column]
    value, slope = torch.zeros_like(score), torch.zeros_like(score)
    for knot, share in zip(at.knots, part, strict=True):
        above = ((score - knot[found.column]) / tau).sigmoid_()
        value += share * above
        slope += share * above.addcmul_(above, above, value=-1)
    return _Sums(value, slope.div_(tau))


def _pairwise(
    task: _Task,
    scores: Tensor,
    positive: Tensor,
    found: Entries,
    at: _Thresholds,
    usable: Tensor,
    share: Tensor,
    pool_weight: Tensor | None,
) -> tuple[_Sums, _Band]:
    """Mean over the band for each positive, and the pull on the band's negatives."""
    classes = scores.shape[1]
    inside = (scores >= at.knots[-1]) & ~positive & usable
    if task.alpha > 0:
        inside &= scores <= at.knots[0]
    band = entries(inside, None, pool_weight, scores.dtype)
    weighed = by_class(band.weight, band.column, classes)
    ones = torch.stack(
        [
            by_class(torch.ones_like(found.row), found.column, classes),
            by_class(torch.ones_like(band.row), band.column, classes),
        ]
    )
    (n_found, n_band), tau = ones.tolist(), at.tau.tolist()
    x, y = scores[found.row, found.column], scores[band.row, band.column]
    if not bool(torch.isfinite(y.sum() + x.sum())):
        x, y = _tamed(x, y, at, found, band)
    value, slope, pull = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(y)
    mean = band.weight / weighed.where(weighed > 0, 1.0)[band.column]
    first_found, first_band = _starts(n_found), _starts(n_band)
    together: dict[int, list[int]] = {}
    for c in range(classes):
        if not n_found[c] or not n_band[c]:
            continue
        if classes > 1 and n_found[c] * n_band[c] < _ALONE:
            together.setdefault(int(n_band[c]).bit_length(), []).append(c)
            continue
        here = slice(first_found[c], first_found[c] + n_found[c])
        there = slice(first_band[c], first_band[c] + n_band[c])
        sums = _grid.pair_sums(
            _near(x[here], y[there], tau[c]),
            y[there],
            tau[c],
            query_weight=share[here],
            source_weight=None if pool_weight is None else mean[there] * n_band[c],
        )
        value[here], slope[here] = (sums.value / n_band[c]).to(x), (sums.query_slope / n_band[c]).to(x)
        pull[there] = (sums.source_slope / n_band[c]).to(y)
    for members in together.values():
        _padded(members, (n_found, n_band), (x, found, share, value, slope), (y, band, mean, pull), at.tau)
    slopes = Slopes(band.row * classes + band.column, band.column, pull.neg_())
    return _Sums(value, slope), _Band(slopes, weighed > 0)


def _starts(counts: list[int]) -> list[int]:
    return [0, *torch.tensor(counts, dtype=torch.int64).cumsum(0).tolist()]


def _near(x: Tensor, y: Tensor, tau: float) -> Tensor:
    """Bring scores far from the band to where the sigmoid saturates, so that a grid need not span them."""
    return x.clamp(y.amin() - _REACH * tau, y.amax() + _REACH * tau)


def _tamed(x: Tensor, y: Tensor, at: _Thresholds, found: Entries, band: Entries) -> tuple[Tensor, Tensor]:
    """Put infinite scores out of reach of the finite ones; equal infinities tie."""
    classes = at.tau.shape[0]
    everything, column = torch.cat([x, y]), torch.cat([found.column, band.column])
    finite = everything.isfinite()
    low = everything.new_full((classes,), torch.inf)
    low = low.scatter_reduce(0, column, everything.where(finite, torch.inf), "amin")
    high = everything.new_full((classes,), -torch.inf)
    high = high.scatter_reduce(0, column, everything.where(finite, -torch.inf), "amax")
    low, high = low.where(low <= high, 0.0), high.where(low <= high, 0.0)
    low, high = low - 2 * _REACH * at.tau, high + 2 * _REACH * at.tau
    everything = torch.minimum(torch.maximum(everything, low[column]), high[column])
    return everything[: x.shape[0]], everything[x.shape[0] :]


def _padded(
    members: list[int],
    counts: tuple[list[int], list[int]],
    queries: tuple[Tensor, Entries, Tensor, Tensor, Tensor],
    sources: tuple[Tensor, Entries, Tensor, Tensor],
    tau: Tensor,
) -> None:
    """Sum the pairs of many small classes at once, each class's band padded to the longest."""
    x, found, share, value, slope = queries
    y, band, mean, pull = sources
    device, classes = x.device, tau.shape[0]
    slot = torch.full((classes,), -1, dtype=torch.int64, device=device)
    slot[torch.tensor(members, device=device)] = torch.arange(len(members), device=device)
    width = max(counts[1][c] for c in members)
    start = torch.tensor(_starts(counts[1])[:-1], device=device)
    mine = (slot[band.column] >= 0).nonzero().squeeze(1)
    column = band.column[mine]
    place = slot[column] * width + mine - start[column]
    at = x.new_zeros(len(members) * width).index_put((place,), y[mine]).view(-1, width)
    mass = x.new_zeros(len(members) * width).index_put((place,), mean[mine]).view(-1, width)
    force = torch.zeros_like(at)
    ours = (slot[found.column] >= 0).nonzero().squeeze(1)
    step = max(1, _BLOCK // width)
    for low in range(0, ours.shape[0], step):
        query = ours[low : low + step]
        group = slot[found.column[query]]
        scale = tau[found.column[query]][:, None]
        block = (x[query, None] - at[group]).div_(scale).sigmoid_()
        weights = mass[group]
        value[query] = (block * weights).sum(1)
        block.addcmul_(block, block, value=-1).mul_(weights).div_(scale)
        slope[query] = block.sum(1)
        force.index_add_(0, group, block.mul_(share[query, None]), alpha=-1)
    pull[mine] = force.view(-1)[place]


def _details(
    scores: Tensor, reference: _Reference, at: _Thresholds, found: Entries, value: Tensor, valid: Tensor
) -> _Details:
    classes = scores.shape[1]
    count = by_class(torch.ones_like(value), found.column, classes).clamp(min=1)
    mean = by_class(value, found.column, classes) / count
    variance = by_class((value - mean[found.column]).square(), found.column, classes) / count
    inside = (reference.scores >= at.knots[-1]) & (reference.scores <= at.knots[0])
    inside.index_put_((reference.positives.row, reference.positives.column), inside.new_zeros(()))
    known = [x.masked_fill(~valid, torch.nan) for x in (at.knots[0], at.knots[-1], at.tau, variance)]
    return _Details(known[0], known[1], known[2], inside.sum(0).masked_fill(~valid, 0), known[3])


class PAUCAtBudgetLoss(RankingLoss):
    """Partial AUC at a false-positive budget; ``imbalanced_losses.PAUCAtBudgetLoss`` with its faults mended.

    Parameters
    ----------
    num_classes
        Columns of the logits; 1 for a binary task.
    alpha, beta
        Budget, 0 <= alpha < beta <= 1.
    surrogate
        ``'trapezoid'`` or ``'pairwise'``.
    n_knots
        Budgets at which the trapezoid rule looks, at least 2.
    tau_scale
        ``'iqr'``, ``'band'``, ``'std'`` or ``'none'``. Where one of the first two is 0 the other takes its
        place.
    pos_numerator
        ``'pool'`` or ``'live'``.
    budget_basis
        ``'fpr'``: budgets are shares of negatives; ``'population'``: of all rows.
    queue_size, temperature, reduction, ignore_index, update_queue_in_eval, gather_distributed, max_pool_size,
    cap
        As for :class:`~imbalance_doctor.losses.base.RankingLoss`.
    quantile_interpolation
        ``'linear'``, ``'lower'``, ``'higher'``, ``'nearest'`` or ``'midpoint'``.
    anchor
        Give the trapezoid the gradient of the pairwise form, so that scores do not run away. False: as the
        reference library.

    Raises
    ------
    ValueError
        For a parameter out of range.
    """

    _tau_scales = Scale

    def __init__(  # noqa: PLR0913, PLR0917  the reference library's signature
        self,
        num_classes: int,
        alpha: float = 0.0,
        beta: float = 0.005,
        surrogate: Surrogate = "trapezoid",
        n_knots: int = 2,
        tau_scale: Scale = "iqr",
        pos_numerator: Numerator = "pool",
        budget_basis: Basis = "fpr",
        queue_size: int = 1024,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        ignore_index: int = -100,
        update_queue_in_eval: bool = False,
        gather_distributed: bool | None = None,
        quantile_interpolation: Interpolation = "higher",
        max_pool_size: int | None = None,
        *,
        cap: Cap = "weighted",
        anchor: bool = True,
    ) -> None:
        if not 0 <= alpha < beta <= 1:
            msg = f"alpha, beta: expected 0 <= alpha < beta <= 1, but got {alpha} and {beta}"
            raise ValueError(msg)
        if not isinstance(n_knots, int) or isinstance(n_knots, bool) or n_knots < 2:  # noqa: PLR2004  two ends
            msg = f"n_knots: expected a whole number of at least 2, but got {n_knots!r}"
            raise ValueError(msg)
        one_of("surrogate", surrogate, Surrogate)
        one_of("budget_basis", budget_basis, Basis)
        one_of("quantile_interpolation", quantile_interpolation, Interpolation)
        super().__init__(
            num_classes,
            queue_size,
            temperature,
            reduction,
            ignore_index,
            update_queue_in_eval,
            gather_distributed,
            max_pool_size,
            cap=cap,
            tau_scale=tau_scale,
            pos_numerator=pos_numerator,
        )
        self.alpha = float(alpha)
        self.beta = float(beta)
        self.surrogate: Surrogate = surrogate
        self.n_knots = n_knots
        self.budget_basis: Basis = budget_basis
        self.quantile_interpolation: Interpolation = quantile_interpolation
        self.anchor = anchor
        self._found: _Details | None = None
        self._wants_details = False

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        iid_mask: Tensor | None = None,
        return_per_class: bool = False,
        return_diagnostics: bool = False,
        *,
        sample_weight: Tensor | None = None,
    ) -> Any:
        """Return the loss of one step, and on request what it found.

        Parameters
        ----------
        logits, targets, iid_mask, return_per_class, sample_weight
            As for :meth:`RankingLoss.forward`.
        return_diagnostics
            Also return a dict of tensors [C]: ``t_alpha``, ``t_beta``, ``tau_eff``; ``band_neg_count``, the
            iid negatives in the band; ``pauc_var``, the variance of the positives' contributions;
            ``grad_pos_count``, the positives of this process's batch. NaN or 0 for a class that could not be
            scored.

        Returns
        -------
        Tensor or tuple
            ``loss``, ``(loss, diagnostics)``, ``(loss, per_class, valid)`` or ``(loss, per_class, valid,
            diagnostics)``.
        """
        self._wants_details, self._found = return_diagnostics, None
        if not return_diagnostics:
            return super().forward(logits, targets, iid_mask, return_per_class, sample_weight=sample_weight)
        out, per_class, valid = self._ranked(*self._rows(logits, targets, iid_mask, sample_weight))
        result = (out, per_class, valid) if return_per_class else (out,)
        return (*result, self._diagnostics(per_class.detach(), targets.reshape(-1)))

    def _diagnostics(self, per_class: Tensor, targets: Tensor) -> dict[str, Tensor]:
        classes = torch.arange(self.num_classes, device=targets.device) + (self.num_classes == 1)
        own = ((targets[:, None] == classes) & (targets != self.ignore_index)[:, None]).sum(0)
        nothing = torch.full_like(per_class, torch.nan)
        found = self._found or _Details(nothing, nothing, nothing, torch.zeros_like(own), nothing)
        return {
            "t_alpha": found.t_alpha,
            "t_beta": found.t_beta,
            "tau_eff": found.tau,
            "band_neg_count": found.band_neg_count,
            "pauc_var": found.pauc_var,
            "grad_pos_count": own,
        }

    def _task(self) -> _Task:
        return _Task(
            self.alpha,
            self.beta,
            self.surrogate,
            self.n_knots,
            self.tau_scale,
            self.pos_numerator,
            self.budget_basis,
            self.temperature,
            self.quantile_interpolation,
            self.anchor,
        )

    def _score_alone(self, live: Rows) -> Tensor | None:
        if live.iid is not None:
            return None
        return _solve_alone(self._task(), live.logits, live.targets, None, live.weight)

    def _score(self, pool: Pool) -> tuple[Tensor, Tensor]:
        task = self._task()
        if (
            self.num_classes == 1
            and pool.iid is None
            and pool.pool_weight is None
            and not self._wants_details
        ):
            alone = _solve_alone(task, pool.scores, pool.targets, pool.live, pool.weight)
            if alone is not None:
                return alone, torch.ones(1, dtype=torch.bool)
        loss, valid, self._found = _solve(
            task,
            pool.scores,
            pool.positive,
            pool.iid,
            pool.live,
            pool.weight,
            pool.pool_weight,
            details=self._wants_details,
        )
        return loss, valid

    def _other_reason(self, pool: Pool, column: int) -> str:
        positive = pool.positive[:, column]
        iid = torch.ones_like(positive) if pool.iid is None else pool.iid
        if not bool((iid & ~positive).any()):
            return "no negative among the iid rows"
        if pool.weight is not None and not bool((pool.weight[positive] > 0).any()):
            return super()._other_reason(pool, column)
        rows = iid if self.budget_basis == "population" else iid & ~positive
        least, most = pool.scores[rows, column].aminmax()
        if bool(most - least <= _NO_SPREAD):
            return "the scores that set its thresholds are all equal"
        if self.surrogate == "pairwise":
            return "no spread in the scores that set its thresholds, or no negative in the band"
        return "too few distinct scores set its thresholds: interquartile range and band are 0"
