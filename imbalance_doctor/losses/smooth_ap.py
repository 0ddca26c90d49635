"""Smooth average precision (Smooth-AP), in nearly linear time and O(pool) memory.

For a class with positives P in a pool of M scores, with :math:`D_{ij} = \\sigma((s_j - s_i) / \\tau)`,

.. math::

    R_i = 1 + \\sum_{j \\ne i} D_{ij}, \\quad R^+_i = 1 + \\sum_{j \\in P, j \\ne i} D_{ij}, \\quad
    AP = \\frac{\\sum_{i \\in P} w_i R^+_i / R_i}{\\sum_{i \\in P} w_i}, \\quad loss = 1 - AP

Ties count one half. As the temperature goes to 0 the value becomes average precision. All scores equal give
``1 - (P + 1) / (M + 1)``.

Source: Brown, Xie, Kalogeiton, Zisserman 2020, "Smooth-AP: smoothing the path towards large-scale image retrieval", equations 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from imbalance_doctor.losses import _grid

__all__ = ["smooth_ap"]

_WINDOW_NS = 80.0
_BLOCK = 65_536
_MAX_BLOCK = 262_144


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

    The gradient is computed with the value, and only the gradient of the live rows is kept: O(live * C) memory. Sums are in double
    precision whatever the type of the scores, also under autocast. Second derivatives are not available.

    Parameters
    ----------
    scores
        Scores of the pool, floating point [M, C]. Infinities count as limits: they rank above or below everything finite, tie among
        themselves, and get gradient 0. A NaN makes the loss and the gradient of its class NaN.
    positive
        Which rows are positive for which class, bool [M, C]; rows may be positive for several classes.
    temperature
        Width of the sigmoid in units of the scores, above 0: a number, or one for each class, [C]. No gradient.
    live
        Rows ``[0, live)`` receive gradient, the others are constants; None for all.
    weight
        Weight w of each row in the mean over positives, at least 0, [M]; ranks ignore it. None for 1.
    pool_weight
        How many rows each row stands for, at least 0, [M]: the inverse inclusion probabilities of a capped pool. Multiplies the row in
        both rank sums and in the mean over positives; the 1 that stands for the ranked row itself stays 1. None for 1.
    method
        ``dense`` writes all pairs out, in pieces; ``grid`` sums on a spline grid; ``window`` sorts and writes out near pairs only;
        ``auto`` takes the cheapest for each class. They agree to 1e-10 for float64 scores.

    Returns
    -------
    loss : Tensor
        ``1 - AP`` of each class in [0, 1], [C]; float64 for float64 scores, otherwise float32. NaN where `valid` is False.
    valid : Tensor
        bool [C]. False for a class without positives, without negatives, or whose positives have no weight. Its gradient is exactly 0,
        so leave it out of a reduction with `torch.where` or by indexing.

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
    scale = torch.as_tensor(temperature, dtype=torch.float64, device=scores.device).detach()
    if scale.shape not in {(), (classes,)}:
        raise ValueError(f"temperature: expected a number or [{classes}], but got {list(scale.shape)}")
    loss, valid = _SmoothAP.apply(
        scores, positive, scale.expand(classes), rows if live is None else live, weight, pool_weight, method
    )
    return loss, valid


def _check(
    scores: Tensor, positive: Tensor, live: int | None, weight: Tensor | None, pool_weight: Tensor | None, method: str
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
        with torch.autocast(scores.device.type, enabled=False):
            wanted = live if ctx.needs_input_grad[0] else 0  # type: ignore[attr-defined]
            pool = _Pool.of(scores.detach(), positive, scale, wanted, weight, pool_weight)
            loss, valid, gradient = _solve(pool, method)
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(valid)
        ctx.rows, ctx.dtype = scores.shape[0], scores.dtype  # type: ignore[attr-defined]
        return loss, valid

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors  # type: ignore[attr-defined]
        out = (gradient * upstream[0]).to(ctx.dtype)  # type: ignore[attr-defined]
        rest = ctx.rows - out.shape[0]  # type: ignore[attr-defined]
        if rest:
            out = torch.cat([out, out.new_zeros(rest, out.shape[1])])
        return out, None, None, None, None, None, None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pool:
    """The inputs, and what the choice of a method needs to know of each class, on the host."""

    scores: Tensor
    positive: Tensor
    frozen: Tensor | None
    live: int
    mass: Tensor | None
    omega: Tensor | None
    exact: bool
    count: list[int]
    low: list[float]
    high: list[float]
    scale: list[float]

    @classmethod
    def of(
        cls,
        scores: Tensor,
        positive: Tensor,
        scale: Tensor,
        live: int,
        weight: Tensor | None,
        pool_weight: Tensor | None,
    ) -> _Pool:
        rows, classes = scores.shape
        mass = None if pool_weight is None else pool_weight.detach().double()
        omega = mass
        if weight is not None:
            omega = weight.detach().double() if mass is None else weight.detach().double() * mass
        exact = scores.dtype == torch.float64
        frozen = None
        count, low, high, tau = [0] * classes, [0.0] * classes, [0.0] * classes, [1.0] * classes
        if rows and classes:
            low, high, tau, found = _facts(scores, scale, positive)
            if not all(t > 0 for t in tau):
                raise ValueError(f"temperature: expected numbers above 0, but got {min(tau)}")
            count = [int(n) for n in found]
            if float("-inf") in low or float("inf") in high:
                scores, frozen = _tame(scores, scale)
                low, high, _, _ = _facts(scores, scale, positive)
        return cls(
            scores=scores,
            positive=positive,
            frozen=frozen,
            live=live,
            mass=mass,
            omega=omega,
            exact=exact,
            count=count,
            low=low,
            high=high,
            scale=tau,
        )

    @property
    def rows(self) -> int:
        return self.scores.shape[0]

    def span(self, c: int) -> float:
        return (self.high[c] - self.low[c]) / self.scale[c]

    def columns(self, classes: list[int], of: Tensor) -> Tensor:
        """Return some columns, transposed: [len(classes), M]."""
        if classes[-1] - classes[0] == len(classes) - 1:
            return of[:, classes[0] : classes[-1] + 1].t()
        return of.index_select(1, torch.tensor(classes, device=of.device)).t()

    def group(self, classes: list[int]) -> _Group:
        mask = self.columns(classes, self.positive).contiguous()
        flat = _grid.nonzero(mask)
        device = self.scores.device
        if len(classes) == 1:
            owner, row = torch.zeros_like(flat), flat
        else:
            owner = torch.div(flat, self.rows, rounding_mode="floor")
            row = flat - owner * self.rows
        double = torch.float64
        return _Group(
            x=torch.empty(mask.shape, dtype=double, device=device).copy_(self.columns(classes, self.scores)),
            mask=mask,
            flat=flat,
            owner=owner,
            row=row,
            scale=torch.tensor([self.scale[c] for c in classes], dtype=double, device=device),
            high=torch.tensor([self.high[c] for c in classes], dtype=double, device=device),
            mass=None if self.mass is None else self.mass.index_select(0, row),
            omega=None if self.omega is None else self.omega.index_select(0, row),
        )


def _facts(
    scores: Tensor, scale: Tensor, positive: Tensor
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Range, temperature and number of positives of each class, in one transfer to the host."""
    low, high = scores.aminmax(dim=0)
    table = torch.stack([low.double(), high.double(), scale, positive.sum(0).double()])
    low_, high_, tau, count = table.tolist()
    return low_, high_, tau, count


def _tame(scores: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Put infinities just out of reach of the finite scores, and say where they were."""
    x = scores.double()
    frozen = x.isinf()
    low = x.masked_fill(frozen, float("inf")).amin(0)
    high = x.masked_fill(frozen, float("-inf")).amax(0)
    none = low.isinf()
    low, high = low.masked_fill(none, 0.0), high.masked_fill(none, 0.0)
    limit = torch.finfo(torch.float64).max
    away = torch.maximum(100 * scale, 1e-9 * torch.maximum(low.abs(), high.abs()))
    x = torch.where(x == float("inf"), (high + away).clamp(max=limit), x)
    return torch.where(x == float("-inf"), (low - away).clamp(min=-limit), x), frozen


class _Group(NamedTuple):
    """Classes solved together. C classes, N positives in all, class after class."""

    x: Tensor  # float64 [C, M]
    mask: Tensor  # bool [C, M]
    flat: Tensor  # [N], class * M + row
    owner: Tensor  # [N], class
    row: Tensor  # [N]
    scale: Tensor  # float64 [C]
    high: Tensor  # float64 [C]
    mass: Tensor | None  # float64 [N]
    omega: Tensor | None  # float64 [N]


class _Answer(NamedTuple):
    precision: Tensor  # float64 [C]
    weight: Tensor  # float64 [C], weight of the positives
    slope: Tensor | None  # float64 [C, live], tau * d AP / d score


class _Terms(NamedTuple):
    precision: Tensor
    weight: Tensor
    u: Tensor
    v: Tensor


def _terms(group: _Group, above: Tensor, above_positive: Tensor) -> _Terms:
    """Average precision, and its derivatives u by A and -v by B, from the sums with the self term sigmoid(0) in them."""
    itself = 0.5 if group.mass is None else 1 - group.mass / 2
    a, b = above_positive + itself, above + itself
    omega = torch.ones_like(a) if group.omega is None else group.omega
    ratio = a / b
    sums = a.new_zeros(2, group.x.shape[0])
    sums[0].scatter_add_(0, group.owner, omega)
    sums[1].scatter_add_(0, group.owner, omega * ratio)
    weight = sums[0]
    safe = weight.where(weight > 0, 1.0)
    u = omega / (b * safe.index_select(0, group.owner))
    return _Terms(sums[1] / safe, weight, u, u * ratio)


def _solve(pool: _Pool, method: _grid.Method) -> tuple[Tensor, Tensor, Tensor]:
    """Loss [C], valid [C] and the loss's gradient [live, C]."""
    device = pool.scores.device
    classes = pool.scores.shape[1]
    kind = torch.float64 if pool.exact else torch.float32
    gradient = torch.zeros(pool.live, classes, dtype=kind, device=device)
    loss = torch.full((classes,), torch.nan, dtype=torch.float64, device=device)
    weight = torch.zeros(classes, dtype=torch.float64, device=device)
    usable = [c for c in range(classes) if 0 < pool.count[c] < pool.rows]
    poisoned = [c for c in usable if pool.low[c] != pool.low[c]]
    for c in poisoned:
        gradient[:, c] = torch.nan
        weight[c] = 1.0
    for task in _plan(pool, [c for c in usable if c not in set(poisoned)], method):
        group = pool.group(task.classes)
        answer = _ENGINES[task.method](pool, group, task)
        first, last = task.classes[0], task.classes[-1] + 1
        if last - first == len(task.classes):
            loss[first:last], weight[first:last] = 1 - answer.precision, answer.weight
        else:
            index = torch.tensor(task.classes, device=device)
            loss.index_copy_(0, index, 1 - answer.precision)
            weight.index_copy_(0, index, answer.weight)
        if answer.slope is not None:
            part = answer.slope.div_(-group.scale[:, None]).t()
            if last - first == len(task.classes):
                gradient[:, first:last] = part
            else:
                gradient.index_copy_(1, index, part.to(kind))
    if pool.frozen is not None:
        gradient.masked_fill_(pool.frozen[: pool.live], 0.0)
    valid = weight > 0
    return loss.masked_fill(~valid, torch.nan).to(kind), valid, gradient


# -- the choice of a method --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    method: str
    classes: list[int]
    most: int = 0  # positives of the largest class
    length: int = 0  # grid nodes of a class; 0 for a compressed grid
    spline: _grid.Spline = _grid.EXACT


def _plan(pool: _Pool, classes: list[int], method: _grid.Method) -> list[_Task]:
    kind = torch.float64 if pool.exact else torch.float32
    dense: list[int] = []
    tasks: list[_Task] = []
    plain: dict[tuple[int, _grid.Spline], list[int]] = {}
    for c in classes:
        span = pool.span(c)
        spline = _grid.spline_for(kind, pool.rows, span)
        pairs_ns = _grid.DENSE_NS * pool.count[c] * pool.rows
        reach = spline.cut * spline.kappa + 2 * spline.order
        far = not span * spline.kappa <= 8 * pool.rows + _grid.CHUNK
        least = _grid.grid_ns(pool.rows, 0 if far else int(span * spline.kappa) + reach)
        if method == "dense" or (method == "auto" and pairs_ns <= least):
            dense.append(c)
        elif method == "window":
            tasks.append(_Task(method="window", classes=[c], spline=spline))
        elif not far:
            plain.setdefault((_grid.fft_length(int(span * spline.kappa) + reach), spline), []).append(c)
        else:
            choice = "far" if method == "grid" else _far_choice(pool, c, spline, pairs_ns)
            if choice == "dense":
                dense.append(c)
            else:
                tasks.append(_Task(method=choice, classes=[c], spline=spline))
    for (length, spline), members in plain.items():
        each = max(1, _BLOCK // max(length, pool.rows))
        tasks += [
            _Task(method="grid", classes=members[i : i + each], length=length, spline=spline)
            for i in range(0, len(members), each)
        ]
    return tasks + _dense_tasks(pool, dense)


def _far_choice(pool: _Pool, c: int, spline: _grid.Spline, pairs_ns: float) -> str:
    """Choose for one class whose range is huge: a compressed grid, windows, or all pairs."""
    group = pool.group([c])
    ordered = group.x[0].sort().values
    tau = pool.scale[c]
    at = group.x[0].index_select(0, group.flat)
    near = torch.searchsorted(ordered, at + spline.cut * tau) - torch.searchsorted(ordered, at - spline.cut * tau)
    nodes, pairs = torch.stack([_grid.compress(ordered, tau, spline)[-1], near.sum().double()]).tolist()
    cost = {
        "far": _grid.grid_ns(pool.rows, int(nodes)),
        "window": _WINDOW_NS * (pairs + pool.rows),
        "dense": pairs_ns,
    }
    return min(cost, key=cost.__getitem__)


def _dense_tasks(pool: _Pool, classes: list[int]) -> list[_Task]:
    """Group classes of like size, since a block is as tall as its largest class."""
    tasks: list[_Task] = []
    limit = _block_size(pool, classes)
    members: list[int] = []
    for c in sorted(classes, key=pool.count.__getitem__):
        least, most = pool.count[(members or [c])[0]], pool.count[c]
        if members and (most > 1.25 * least + 2 or (len(members) + 1) * most * pool.rows > limit):
            tasks.append(_Task(method="dense", classes=members, most=pool.count[members[-1]]))
            members = []
        members = [*members, c]
    if members:
        tasks.append(_Task(method="dense", classes=members, most=pool.count[members[-1]]))
    return tasks


def _block_size(pool: _Pool, classes: list[int]) -> int:
    """Pairs written out at once: few for a small pool, so that memory stays small too."""
    pairs = sum(pool.count[c] for c in classes) * pool.rows
    return min(max(_BLOCK, pairs // 4), _MAX_BLOCK)


# -- all pairs ---------------------------------------------------------------------------------------------------------


def _dense(pool: _Pool, group: _Group, task: _Task) -> _Answer:
    classes, rows = group.x.shape
    live, most = pool.live, task.most
    start = torch.tensor([0, *(pool.count[c] for c in task.classes)], device=group.x.device).cumsum(0)
    rank = torch.arange(group.flat.shape[0], device=group.x.device) - start.index_select(0, group.owner)
    slot = group.owner * most + rank
    at = group.x.new_zeros(classes * most).scatter_(0, slot, group.x.view(-1).index_select(0, group.flat))
    at = at.view(classes, most)
    columns = group.x.new_empty(classes, rows, 2)
    columns[..., 0] = 1.0 if pool.mass is None else pool.mass
    columns[..., 1] = columns[..., 0] * group.mask
    span = max(pool.span(c) for c in task.classes)
    omega = torch.ones_like(group.scale[:1]).expand(group.flat.shape) if group.omega is None else group.omega
    omega = group.x.new_zeros(classes * most).scatter_(0, slot, omega).view(classes, most)
    itself: Tensor | float = 0.5
    if group.mass is not None:
        itself = 1 - group.x.new_zeros(classes * most).scatter_(0, slot, group.mass).view(classes, most) / 2
    weight = omega.sum(1)
    safe = weight.where(weight > 0, 1.0)[:, None]
    precision = torch.zeros_like(weight)
    pull = group.x.new_zeros(classes, 2, live)
    push = torch.empty_like(at)
    step = max(1, _block_size(pool, task.classes) // (classes * rows))
    for low in range(0, most, step):
        part = slice(low, low + step)
        block = _grid.pair_block(at[:, part], group.x, group.scale, span)
        sums = torch.bmm(block, columns).add_(itself if isinstance(itself, float) else itself[:, part, None])
        ratio = sums[..., 1] / sums[..., 0]
        precision += (omega[:, part] * ratio).sum(1)
        if live:
            u = omega[:, part] / (sums[..., 0] * safe)
            v = u * ratio
            block.addcmul_(block, block, value=-1)
            sums = torch.bmm(block, columns)
            push[:, part] = v * sums[..., 0] - u * sums[..., 1]
            pull += torch.bmm(torch.stack([u, v], 1), block[..., :live])
    slope = None
    if live:
        slope = pull[:, 0].mul_(columns[:, :live, 1]).addcmul_(pull[:, 1], columns[:, :live, 0], value=-1)
        _add_at_positives(slope, group, push.view(-1).index_select(0, slot))
    return _Answer(precision / safe[:, 0], weight, slope)


def _add_at_positives(slope: Tensor, group: _Group, value: Tensor) -> None:
    """Add one value for each positive to the rows of `slope`, [C, live], that are positives."""
    live = slope.shape[1]
    if live == group.x.shape[1]:
        slope.view(-1).index_add_(0, group.flat, value)
        return
    index = group.owner * live + group.row.clamp(max=live - 1)
    slope.view(-1).index_add_(0, index, value.masked_fill(group.row >= live, 0.0))


# -- the grid ----------------------------------------------------------------------------------------------------------


def _on_grid(pool: _Pool, group: _Group, task: _Task) -> _Answer:
    # Coordinates run downwards from the best score, so that the mass at smaller ones is the mass ranked above.
    spline = task.spline
    position = group.x.neg_().add_(group.high[:, None]).mul_((spline.kappa / group.scale)[:, None])
    return _convolved(pool, group, position, task.length, spline)


def _far_on_grid(pool: _Pool, group: _Group, task: _Task) -> _Answer:
    spline = task.spline
    ordered, order = group.x[0].sort(descending=True)
    gapless = _grid.compress(ordered, pool.scale[task.classes[0]], spline)
    length = _grid.fft_length(int(gapless[-1]) + spline.cut * spline.kappa + 2 * spline.order)
    position = torch.empty_like(ordered).index_copy_(0, order, gapless)
    return _convolved(pool, group, position[None], length, spline)


def _convolved(pool: _Pool, group: _Group, position: Tensor, length: int, spline: _grid.Spline) -> _Answer:
    classes, rows = group.x.shape
    live, size = pool.live, classes * length
    points = _grid.locate(position, length, spline)
    at = points.take(group.flat)
    mass = None if pool.mass is None else pool.mass.repeat(classes)
    nodes = torch.stack([
        _grid.spread(points, mass, size, spline),
        _grid.spread(at, group.mass, size, spline),
    ]).view(2, classes, length)
    fields = _grid.convolve(nodes, spline, value=True, slope=live > 0)
    sums = _grid.read(fields.view(-1, size), at, spline)
    del nodes, fields
    terms = _terms(group, sums[0], sums[1])
    if not live:
        return _Answer(terms.precision, terms.weight, None)
    nodes = torch.stack([_grid.spread(at, terms.u, size, spline), _grid.spread(at, terms.v, size, spline)])
    fields = _grid.convolve(nodes.view(2, classes, length), spline, value=False, slope=True).view(2, size)
    push = _grid.read(fields[:1], at, spline)[0]
    if group.mass is not None:
        push.mul_(group.mass)
    push.addcmul_(terms.v, sums[2]).addcmul_(terms.u, sums[3], value=-1)
    if live < rows:
        points = _grid.Points(*(part.view(classes, rows)[:, :live].reshape(-1) for part in points))
    slope = _grid.read(fields[1:], points, spline).view(classes, live).neg_()
    if pool.mass is not None:
        slope.mul_(pool.mass[:live])
    _add_at_positives(slope, group, push)
    return _Answer(terms.precision, terms.weight, slope)


# -- windows on the sorted pool ----------------------------------------------------------------------------------------


def _windows(pool: _Pool, group: _Group, task: _Task) -> _Answer:
    tau = pool.scale[task.classes[0]]
    ordered, order = group.x[0].sort()
    mass = torch.ones_like(ordered) if pool.mass is None else pool.mass.index_select(0, order)
    both = torch.stack([mass, mass * group.mask[0].index_select(0, order)])
    running = torch.stack([_grid.step_sums(both[0]), _grid.step_sums(both[1])])
    at = group.x[0].index_select(0, group.flat)
    reach = task.spline.cut * tau
    low = torch.searchsorted(ordered, at - reach)
    high = torch.searchsorted(ordered, at + reach, right=True)
    sums = running[:, -1:] - running.index_select(1, high)
    slopes = torch.zeros_like(sums)
    pieces = _grid.runs((high - low).tolist(), _BLOCK)
    for first, last in pieces:
        query, source = _near(low[first:last], high[first:last])
        near = ordered.index_select(0, source).sub_(at[first:last].index_select(0, query)).div_(tau).sigmoid_()
        weights = both.index_select(1, source)
        sums[:, first:last].index_add_(1, query, weights * near)
        if pool.live:
            slopes[:, first:last].index_add_(1, query, weights.mul_(near.addcmul_(near, near, value=-1)))
    terms = _terms(group, sums[0], sums[1])
    if not pool.live:
        return _Answer(terms.precision, terms.weight, None)
    pull = torch.zeros_like(ordered)
    for first, last in pieces:
        query, source = _near(low[first:last], high[first:last])
        near = ordered.index_select(0, source).sub_(at[first:last].index_select(0, query)).div_(tau).sigmoid_()
        near.addcmul_(near, near, value=-1)
        weights = both.index_select(1, source)
        force = weights[1].mul_(terms.u[first:last].index_select(0, query))
        force.addcmul_(weights[0], terms.v[first:last].index_select(0, query), value=-1)
        pull.index_add_(0, source, force.mul_(near))
    slope = torch.empty_like(pull).index_copy_(0, order, pull)[None, : pool.live].contiguous()
    _add_at_positives(slope, group, terms.v * slopes[0] - terms.u * slopes[1])
    return _Answer(terms.precision, terms.weight, slope)


def _near(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """List all pairs of a query and a sorted source in its window."""
    counts = high - low
    query = torch.repeat_interleave(torch.arange(counts.shape[0], device=counts.device), counts)
    source = torch.arange(query.shape[0], device=counts.device)
    source += (low - (counts.cumsum(0) - counts)).index_select(0, query)
    return query, source


_ENGINES = {"dense": _dense, "grid": _on_grid, "far": _far_on_grid, "window": _windows}
