r"""How Smooth-AP is summed: all pairs, a spline grid or windows on the sorted pool, for each class by cost.

Every way gives average precision and its gradient in one pass. With A and B the bracketed sums of a positive
i, :math:`A_i = R^+_i`, :math:`B_i = R_i`, and :math:`u_i = w_i / (B_i \sum w)`, :math:`v_i = u_i A_i / B_i`,
the derivative of average precision by a score x is, in units of 1 / tau,

.. math::

    \sum_i (u_i [x \in P] - v_i) \sigma'(x - x_i)
    + [x \in P] (v_x \sum_j \sigma'(x_j - x) - u_x \sum_{j \in P} \sigma'(x_j - x))

The term of a positive with itself cancels there. In the sums it is :math:`\sigma(0) = 1/2`, so one half more
makes it the 1 of the definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imbalance_doctor.losses import _average_precision_host, _grid
from imbalance_doctor.losses._average_precision_host import NONE
from imbalance_doctor.losses._compiled import in_turns, kernels

__all__ = ["ENGINES", "HOST_ENGINES", "Ranked", "average_precision", "solve"]

_KINDS = (torch.float32, torch.float64)
_SMALL_PAIRS = 131_072
_FEW_PAIRS = 65_536  # up to here no class is put in order
_COLUMNS = 16  # classes turned at once: their scores of a row share a line of the cache
_CUT = {_grid.FEW_POINTS: 16}  # temperatures beyond which a sigmoid is a step, but for 1e-7
_GRID_NS, _NODE_NS = (40_000.0, 10.0), 45.0  # a class on a grid, compiled: in all, for each row and node
_WINDOW_NS = 80.0
_TOGETHER = 8
_SHARED = 262_144  # scores from which a second thread pays: others may keep it waiting for milliseconds
_BLOCK = 65_536
_MAX_BLOCK = 98_304


def average_precision(
    scores: Tensor,
    positive: Tensor,
    scale: Tensor,
    live: int,
    weight: Tensor | None,
    pool_weight: Tensor | None,
    method: _grid.Method,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss [C], valid [C] and the loss's gradient [live, C]; the arguments of :func:`smooth_ap`."""
    arguments = (scores.detach(), positive, scale, live, weight, pool_weight)
    if method == "auto" and scores.device.type == "cpu" and scores.shape[0]:
        compiled = kernels("windows")
        if compiled is not None:
            return _in_columns(compiled, *arguments)
        solved = _small(*arguments)
        if solved is not None:
            return solved
    with torch.autocast(scores.device.type, enabled=False):
        return solve(Ranked.of(*arguments), method)


def _in_columns(
    compiled: Any,
    scores: Tensor,
    positive: Tensor,
    scale: Tensor,
    live: int,
    weight: Tensor | None,
    pool_weight: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Solve what is worth it in one compiled call, and other classes by a grid."""
    rows, classes = scores.shape
    spline = _grid.spline_for(scores.dtype, 0, 0.0)
    cost = (_CUT.get(spline, spline.cut), *_GRID_NS, _NODE_NS * spline.kappa)
    x = np.ascontiguousarray(scores.numpy() if scores.dtype in _KINDS else scores.float().numpy())
    mask, tau = np.ascontiguousarray(positive.numpy()), np.ascontiguousarray(scale.numpy())
    mass, omega = _masses(weight, pool_weight)
    weights = NONE if mass is None else mass.numpy(), NONE if omega is None else omega.numpy()
    found, gradient = np.empty((4, classes)), np.empty((live, classes), x.dtype)

    most = min(rows, int(np.count_nonzero(mask)))
    work, places = 2 * rows + 5 * most, 0
    if most * rows > _FEW_PAIRS:
        work, places = work + most, 4 * rows + most + 4
        work += rows + most if mass is not None else 0

    def some(first: int, width: int) -> None:
        blocks: tuple[np.ndarray, ...]
        if classes == 1:
            blocks = x.reshape(1, rows), mask.reshape(1, rows), gradient.reshape(1, live)
        else:
            blocks = tuple(np.empty((width, part.shape[0]), part.dtype) for part in (x, mask, gradient))
        room = np.empty(work), np.empty(2 * rows, x.dtype), np.empty(places, np.int32)
        compiled.columns(x, mask, tau, weights, first, cost, blocks, room, found)
        del room  # a grid needs its own
        for c in range(first, first + width):
            if np.isnan(found[1, c]):
                parts = tuple(part[c - first] for part in blocks)
                _on_plain_grid(scores.dtype, parts, tau[c], weights, found[:, c])
        if classes > 1:
            compiled.turned_back(blocks[2], first, gradient)

    _in_pieces(some, classes, shared=x.size >= _SHARED)
    left = np.isnan(found[1])
    if left.any():
        columns = torch.from_numpy(left)
        picked = scores[:, columns], positive[:, columns], scale[columns]
        with torch.autocast("cpu", enabled=False):
            rest = solve(Ranked.of(*picked, live, weight, pool_weight), "auto")
        gradient[:, left] = rest[2].numpy()
        found[0, left], found[1, left] = 1 - rest[0].double().numpy(), rest[1].numpy()
    valid = found[1] > 0
    loss = np.where(valid, 1 - found[0], np.nan).astype(x.dtype)
    return torch.from_numpy(loss), torch.from_numpy(valid), torch.from_numpy(gradient)


def _in_pieces(work: Callable[[int, int], None], classes: int, *, shared: bool) -> None:
    """Call for neighbouring classes, the first of them and how many, on one thread or several."""
    together = min(_COLUMNS, -(-classes // torch.get_num_threads())) if shared else _COLUMNS
    pieces = range(0, classes, together)
    if shared:
        in_turns(lambda first: work(first, min(together, classes - first)), pieces)
    else:
        for first in pieces:
            work(first, min(together, classes - first))


def _on_plain_grid(
    kind: torch.dtype,
    blocks: tuple[np.ndarray, ...],
    tau: float,
    weights: tuple[np.ndarray, np.ndarray],
    found: np.ndarray,
) -> None:
    """Solve a class on a grid, unless its scores are not finite or spread too far.

    Parameters
    ----------
    kind
        Of the scores.
    blocks
        Scores and labels, [M]; takes the loss's gradient, [live].
    tau, weights
        Temperature, and the weights as :func:`_average_precision_host.grid_of_class` wants them.
    found
        As the kernel left it for the class, [4]; takes average precision and weight of the positives.
    """
    scores, flags, gradient = blocks
    low, high = found[2:].tolist()
    span = (high - low) / tau
    spline = _grid.spline_for(kind, scores.size, span)
    nodes = _nodes(scores.size, span, spline)
    if nodes:
        place = high, _grid.fft_length(nodes), spline
        found[:2] = _average_precision_host.grid_of_class(
            kernels("pairs"), scores, np.flatnonzero(flags), tau, weights, place, gradient
        )


def _small(
    scores: Tensor,
    positive: Tensor,
    scale: Tensor,
    live: int,
    weight: Tensor | None,
    pool_weight: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor] | None:
    """One class with few pairs on the CPU, at the least overhead; None for all else and for odd inputs."""
    rows, classes = scores.shape
    if classes != 1 or scores.dtype not in _KINDS or not 1 < rows <= _SMALL_PAIRS:
        return None
    x, row = scores.numpy().T, positive.numpy().reshape(-1).nonzero()[0]
    tau = scale.numpy()
    if not (
        0 < row.size < rows
        and row.size * rows <= _SMALL_PAIRS
        and tau[0] > 0
        and x.min() > -np.inf
        and x.max() < np.inf
    ):
        return None
    mass, omega = _masses(weight, pool_weight)
    gradient = torch.empty(live, 1, dtype=scores.dtype)
    batch = _average_precision_host.Batch(
        x,
        row,
        np.array([row.size]),
        tau,
        None if mass is None else mass.numpy(),
        None if omega is None else omega.numpy(),
        gradient.numpy().T,
    )
    (precision,), (total,) = _average_precision_host.dense(batch)
    loss = 1 - precision if total > 0 else float("nan")
    return torch.full((1,), loss, dtype=scores.dtype), torch.full((1,), bool(total > 0)), gradient


def _masses(weight: Tensor | None, pool_weight: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """How many rows each row stands for, and its weight in the mean over positives: float64 [M] or None."""
    mass = None if pool_weight is None else pool_weight.detach().double()
    if weight is None:
        return mass, mass
    return mass, weight.detach().double() if mass is None else weight.detach().double() * mass


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """The inputs, class after class, and what the choice of a method needs to know on the host."""

    scores: Tensor  # [C, M]
    mask: Tensor  # bool [C, M]
    flat: Tensor  # positives, class * M + row, class after class
    first: list[int]  # where the positives of a class begin in flat
    frozen: Tensor | None  # bool [C, M], infinite scores
    gradient: Tensor  # [C, live], filled by the engines
    mass: Tensor | None  # float64 [M]
    omega: Tensor | None  # float64 [M]
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
    ) -> Ranked:
        kind = torch.float64 if scores.dtype == torch.float64 else torch.float32
        x, mask = _turned(scores.to(kind)), _turned(positive)
        mass, omega = _masses(weight, pool_weight)
        frozen = None
        classes = x.shape[0]
        low, high, tau, count = [0.0] * classes, [0.0] * classes, [1.0] * classes, [0.0] * classes
        if x.numel():
            low, high, tau, count = _facts(x, scale, mask)
            if not all(t > 0 for t in tau):
                raise ValueError(f"temperature: expected numbers above 0, but got {min(tau)}")
            if float("-inf") in low or float("inf") in high:
                x, frozen = _tame(x, scale)
                low, high, _, _ = _facts(x, scale, mask)
        counts = [int(n) for n in count]
        return cls(
            scores=x,
            mask=mask,
            flat=_grid.nonzero(mask),
            first=[0, *accumulate(counts)],
            frozen=frozen,
            gradient=_zeros(classes, live, kind, x.device),
            mass=mass,
            omega=omega,
            count=counts,
            low=low,
            high=high,
            scale=tau,
        )

    @property
    def rows(self) -> int:
        return self.scores.shape[1]

    @property
    def on_host(self) -> bool:
        return self.scores.device.type == "cpu"

    @property
    def compiled(self) -> bool:
        return self.on_host and kernels("pairs") is not None

    @property
    def live(self) -> int:
        return self.gradient.shape[1]

    def span(self, c: int) -> float:
        return (self.high[c] - self.low[c]) / self.scale[c]

    def pick(self, classes: list[int], of: Tensor) -> Tensor:
        """Return the rows of some classes, a view where they follow each other."""
        if classes[-1] - classes[0] == len(classes) - 1:
            return of[classes[0] : classes[-1] + 1]
        return of.index_select(0, torch.tensor(classes, device=of.device))

    def put(self, classes: list[int], values: Tensor, into: Tensor) -> None:
        """Store one row for each of some classes, changed to the type of `into`."""
        if classes[-1] - classes[0] == len(classes) - 1:
            into[classes[0] : classes[-1] + 1] = values
        else:
            for c, value in zip(classes, values.unbind(), strict=True):
                into[c] = value

    def group(self, classes: list[int]) -> _Group:
        """Find the positives of some classes, in ascending order."""
        if len(classes) == 1:
            (c,) = classes
            row = self.flat[self.first[c] : self.first[c + 1]] - c * self.rows
            owner, flat = torch.zeros_like(row), row
        else:
            parts = [
                self.flat[self.first[c] : self.first[c + 1]] - (c - i) * self.rows
                for i, c in enumerate(classes)
            ]
            flat = torch.cat(parts)
            owner = torch.div(flat, self.rows, rounding_mode="floor")
            row = flat - owner * self.rows
        return _Group(
            classes=classes,
            flat=flat,
            owner=owner,
            row=row,
            scale=flat.new_tensor([[self.scale[c]] for c in classes], dtype=torch.float64),
            mass=None if self.mass is None else self.mass.index_select(0, row),
            omega=None if self.omega is None else self.omega.index_select(0, row),
        )


def _zeros(rows: int, columns: int, kind: torch.dtype, device: torch.device) -> Tensor:
    """Return zeros; torch would wake its threads on the CPU."""
    if device.type != "cpu":
        return torch.zeros(rows, columns, dtype=kind, device=device)
    return torch.from_numpy(np.zeros((rows, columns), np.float64 if kind == torch.float64 else np.float32))


def _turned(values: Tensor) -> Tensor:
    """Copy [M, C] to rows of classes, [C, M]."""
    if values.device.type != "cpu":
        return values.t().contiguous()
    return torch.from_numpy(_average_precision_host.turned(values.numpy()))


def _facts(
    x: Tensor, scale: Tensor, mask: Tensor
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Range, temperature and number of positives of each class, in one transfer to the host."""
    if x.device.type == "cpu":
        low, high = x.numpy().min(axis=1), x.numpy().max(axis=1)
        return low.tolist(), high.tolist(), scale.tolist(), mask.numpy().sum(axis=1).tolist()
    count = mask.view(torch.uint8).sum(1, dtype=torch.int32)
    low, high, tau, counts = torch.stack(
        [x.amin(1).double(), x.amax(1).double(), scale, count.double()]
    ).tolist()
    return low, high, tau, counts


def _tame(scores: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Put infinities just out of reach of the finite scores, and say where they were."""
    x = scores.double()
    frozen = x.isinf()
    low = x.masked_fill(frozen, float("inf")).amin(1, keepdim=True)
    high = x.masked_fill(frozen, float("-inf")).amax(1, keepdim=True)
    none = low.isinf()
    low, high = low.masked_fill(none, 0.0), high.masked_fill(none, 0.0)
    limit = torch.finfo(torch.float64).max
    away = torch.maximum(100 * scale[:, None], 1e-9 * torch.maximum(low.abs(), high.abs()))
    x = torch.where(x == float("inf"), (high + away).clamp(max=limit), x)
    return torch.where(x == float("-inf"), (low - away).clamp(min=-limit), x), frozen


class _Group(NamedTuple):
    """Classes solved together. C classes, N positives in all, class after class."""

    classes: list[int]
    flat: Tensor  # [N], class * M + row
    owner: Tensor  # [N], class
    row: Tensor  # [N]
    scale: Tensor  # float64 [C, 1]
    mass: Tensor | None  # float64 [N]
    omega: Tensor | None  # float64 [N]


class _Terms(NamedTuple):
    precision: Tensor  # [C]
    weight: Tensor  # [C], weight of the positives
    u: Tensor  # [N], d precision / d A
    v: Tensor  # [N], -d precision / d B


def _terms(group: _Group, above: Tensor, positive_above: Tensor) -> _Terms:
    """Average precision from the sums above each positive, which have the self term sigmoid(0) in them."""
    itself = 0.5 if group.mass is None else 1 - group.mass / 2
    a, b = positive_above + itself, above + itself
    omega = torch.ones_like(a) if group.omega is None else group.omega
    ratio = a / b
    sums = a.new_zeros(2, len(group.classes))
    sums[0].scatter_add_(0, group.owner, omega)
    sums[1].scatter_add_(0, group.owner, omega * ratio)
    weight = sums[0]
    safe = weight.where(weight > 0, 1.0)
    u = omega / (b * safe.index_select(0, group.owner))
    return _Terms(sums[1] / safe, weight, u, u * ratio)


def solve(
    pool: Ranked, method: _grid.Method, engines: dict[str, _Engine] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss [C], valid [C] and the loss's gradient [live, C]."""
    gradient = pool.gradient
    classes = gradient.shape[0]
    precision = torch.full((classes,), torch.nan, dtype=torch.float64, device=gradient.device)
    weight = torch.zeros_like(precision)
    usable = [c for c in range(classes) if 0 < pool.count[c] < pool.rows]
    poisoned = {c for c in usable if pool.low[c] != pool.low[c]}
    for c in poisoned:
        gradient[c] = torch.nan
        weight[c] = 1.0
    engines = engines or (HOST_ENGINES if pool.on_host else ENGINES)

    def run(task: _Task) -> None:
        answer = engines[task.method](pool, task)
        index = weight.new_tensor(task.classes, dtype=torch.int64)
        precision.index_copy_(0, index, answer[0])
        weight.index_copy_(0, index, answer[1])

    tasks = _plan(pool, [c for c in usable if c not in poisoned], method)
    if pool.compiled and pool.rows * len(usable) >= _SHARED:
        in_turns(run, tasks)
    else:
        for task in tasks:
            run(task)
    if pool.frozen is not None:
        gradient.masked_fill_(pool.frozen[:, : pool.live], 0.0)
    valid = weight > 0
    return (1 - precision).masked_fill_(~valid, torch.nan).to(gradient.dtype), valid, _turned(gradient)


# -- the choice of a method ------------------------------------------------------------------------


_Engine = Callable[["Ranked", "_Task"], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    method: str
    classes: list[int]
    most: int = 0  # positives of the largest class
    block: int = 0  # pairs written out at once
    length: int = 0  # grid nodes of a class; 0 for a compressed grid
    spline: _grid.Spline = _grid.EXACT


def _plan(pool: Ranked, classes: list[int], method: _grid.Method) -> list[_Task]:
    dense: list[int] = []
    tasks: list[_Task] = []
    plain: dict[_grid.Spline, list[tuple[int, int]]] = {}
    for c in classes:
        span = pool.span(c)
        spline = _grid.spline_for(pool.gradient.dtype, pool.rows, span)
        pairs_ns = pool.count[c] * pool.rows * _grid.DENSE_NS
        nodes = _nodes(pool.rows, span, spline)
        least = _compiled_ns(pool.rows, nodes) if pool.compiled else _grid.grid_ns(pool.rows, nodes)
        if method == "dense" or (method == "auto" and pairs_ns <= least):
            dense.append(c)
        elif method == "window":
            tasks.append(_Task(method="window", classes=[c], spline=spline))
        elif nodes:
            plain.setdefault(spline, []).append((nodes, c))
        else:
            choice = "far" if method == "grid" else _far_choice(pool, c, spline, pairs_ns)
            if choice == "dense":
                dense.append(c)
            else:
                tasks.append(_Task(method=choice, classes=[c], spline=spline))
    for spline, members in plain.items():
        tasks += _grid_tasks(pool, members, spline)
    return tasks + _dense_tasks(pool, dense)


def _nodes(rows: int, span: float, spline: _grid.Spline) -> int:
    """Return how many nodes a class of so many temperatures needs; 0 if they are too many for its rows."""
    if not span * spline.kappa <= 8 * rows + _grid.CHUNK:
        return 0
    return int(span * spline.kappa) + spline.cut * spline.kappa + 2 * spline.order


def _compiled_ns(points: int, nodes: int) -> float:
    """Estimate what :func:`_grid.grid_ns` does, for compiled loops."""
    return _GRID_NS[0] + _GRID_NS[1] * points + _NODE_NS * nodes


def _grid_tasks(pool: Ranked, members: list[tuple[int, int]], spline: _grid.Spline) -> list[_Task]:
    """Group classes that need like lengths, in their order where all do."""
    tasks: list[_Task] = []
    ranked = sorted(members, reverse=True)
    while ranked:
        longest = ranked[0][0]
        like = sorted(c for nodes, c in ranked if nodes > longest / 1.5)
        ranked = [(nodes, c) for nodes, c in ranked if nodes <= longest / 1.5]
        length = _grid.fft_length(longest)
        block = _average_precision_host.NODES if pool.on_host else _BLOCK
        block *= _TOGETHER if pool.compiled else 1
        each = max(1, block // max(length, pool.rows))
        tasks += [
            _Task(method="grid", classes=like[i : i + each], length=length, spline=spline)
            for i in range(0, len(like), each)
        ]
    return tasks


def _far_choice(pool: Ranked, c: int, spline: _grid.Spline, pairs_ns: float) -> str:
    """Choose for one class whose range is huge: a compressed grid, windows, or all pairs."""
    x = pool.scores[c].double()
    tau = pool.scale[c]
    ordered, at = x.sort().values, x.index_select(0, pool.group([c]).flat)
    near = torch.searchsorted(ordered, at + spline.cut * tau) - torch.searchsorted(
        ordered, at - spline.cut * tau
    )
    nodes, pairs = torch.stack([_grid.compress(ordered, tau, spline)[-1], near.sum().double()]).tolist()
    cost = {
        "far": _grid.grid_ns(pool.rows, int(nodes)),
        "window": _WINDOW_NS * (pairs + pool.rows),
        "dense": pairs_ns,
    }
    return min(cost, key=cost.__getitem__)


def _dense_tasks(pool: Ranked, classes: list[int]) -> list[_Task]:
    """Group classes of like size, since a block is as tall as its largest class."""
    pairs = sum(pool.count[c] for c in classes) * pool.rows
    block = _average_precision_host.PAIRS if pool.on_host else min(max(_BLOCK // 2, pairs // 2), _MAX_BLOCK)
    groups: list[list[int]] = []
    for c in sorted(classes, key=pool.count.__getitem__):
        most = pool.count[c]
        if (
            groups
            and most <= 1.25 * pool.count[groups[-1][0]] + 2
            and (len(groups[-1]) + 1) * most * pool.rows <= block
        ):
            groups[-1].append(c)
        else:
            groups.append([c])
    return [_Task(method="dense", classes=sorted(g), most=pool.count[g[-1]], block=block) for g in groups]


# -- all pairs -------------------------------------------------------------------------------------


def _dense(pool: Ranked, task: _Task) -> tuple[Tensor, Tensor]:
    group = pool.group(task.classes)
    classes, rows, live, most = len(task.classes), pool.rows, pool.live, task.most
    x = pool.pick(task.classes, pool.scores).double()
    before = group.flat.new_tensor([0, *(pool.count[c] for c in task.classes[:-1])]).cumsum(0)
    first = torch.arange(classes, device=x.device) * most
    slot = torch.arange(group.flat.shape[0], device=x.device) + (first - before).index_select(0, group.owner)

    mass = x.new_ones(rows) if pool.mass is None else pool.mass  # a product is faster than a sum

    def pad(values: Tensor) -> Tensor:
        return values.new_zeros(classes * most).scatter_(0, slot, values).view(classes, most)

    ones = torch.ones_like(group.flat, dtype=x.dtype)
    at, column = pad(x.view(-1).index_select(0, group.flat)), pad(group.row)[:, None, :]
    among = pad(ones if group.mass is None else group.mass)[:, :, None]
    omega = pad(ones if group.omega is None else group.omega)
    itself = None if group.mass is None else 1 - among / 2
    weight = omega.sum(1)
    safe = weight.where(weight > 0, 1.0)[:, None]
    span = max(pool.span(c) for c in task.classes)
    step = min(most, max(1, task.block // (classes * rows)))
    buffer = x.new_empty(classes * step * rows)

    def sums(block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Row sums of a block over the pool and over the positives, and its columns at the positives."""
        part = block.gather(2, column.expand(-1, block.shape[1], -1))
        return block @ mass, (part @ among)[..., 0], part

    precision = torch.zeros_like(weight)
    pull, positive_pull = x.new_zeros(classes, 1, live), x.new_zeros(classes, 1, most)
    push = torch.empty_like(at)
    for low in range(0, most, step):
        rank = slice(low, min(low + step, most))
        block = buffer[: classes * (rank.stop - low) * rows].view(classes, -1, rows)
        _grid.pair_block(at[:, rank], x, group.scale, span, block)
        b, a, _ = sums(block)
        own: Tensor | float = 0.5 if itself is None else itself[:, rank, 0]
        b += own
        a += own
        ratio = a / b
        precision += (omega[:, rank] * ratio).sum(1)
        if live:
            u = omega[:, rank] / (b * safe)
            v = u * ratio
            block.addcmul_(block, block, value=-1)
            b, a, part = sums(block)
            push[:, rank] = v * b - u * a
            pull += v[:, None, :] @ block[..., :live]
            positive_pull += u[:, None, :] @ part
    if live:
        slope = pull[:, 0] if pool.mass is None else pull[:, 0] * pool.mass[:live]
        push += among[..., 0] * positive_pull[:, 0]
        _store(pool, group, slope.div_(group.scale), push.view(-1).index_select(0, slot))
    return precision / safe[:, 0], weight


def _store(pool: Ranked, group: _Group, slope: Tensor, push: Tensor) -> None:
    """Keep a gradient [C, live] of float64, less push / tau at the positives, [N]."""
    push = push / group.scale.view(-1).index_select(0, group.owner)
    index, push = _among_live(pool, group, push)
    slope = slope.contiguous()
    slope.view(-1).index_add_(0, index, push, alpha=-1)
    pool.put(group.classes, slope, pool.gradient)


def _among_live(pool: Ranked, group: _Group, value: Tensor) -> tuple[Tensor, Tensor]:
    """Flat indices into [C, live] of the positives that are live, and their values."""
    if pool.live == pool.rows:
        return group.flat, value
    keep = _grid.nonzero(group.row < pool.live)
    index = group.owner * pool.live + group.row
    return index.index_select(0, keep), value.index_select(0, keep)


# -- the grid --------------------------------------------------------------------------------------


def _on_grid(pool: Ranked, task: _Task) -> tuple[Tensor, Tensor]:
    # Coordinates run downwards from the best score: the mass at smaller ones is the mass ranked above.
    group = pool.group(task.classes)
    x = pool.pick(task.classes, pool.scores)
    high = group.scale.new_tensor([[pool.high[c]] for c in task.classes])
    position = torch.empty(x.shape, dtype=torch.float64, device=x.device)
    step = max(1, _grid.CHUNK // len(task.classes))
    for low in range(0, pool.rows, step):
        part = position[:, low : low + step]
        torch.sub(high, x[:, low : low + step], out=part)
        part.mul_(task.spline.kappa / group.scale)
    return _convolved(pool, group, position, task.length, task.spline)


def _far_on_grid(pool: Ranked, task: _Task) -> tuple[Tensor, Tensor]:
    spline = task.spline
    ordered, order = pool.scores[task.classes[0]].double().sort(descending=True)
    gapless = _grid.compress(ordered, pool.scale[task.classes[0]], spline)
    length = _grid.fft_length(int(gapless[-1]) + spline.cut * spline.kappa + 2 * spline.order)
    position = torch.empty_like(ordered).index_copy_(0, order, gapless)
    return _convolved(pool, pool.group(task.classes), position[None], length, spline)


def _convolved(
    pool: Ranked, group: _Group, position: Tensor, length: int, spline: _grid.Spline
) -> tuple[Tensor, Tensor]:
    classes, rows, live = len(group.classes), pool.rows, pool.live
    work = position.new_empty(2, spline.order, classes * length)
    points = _grid.locate(position, length, spline)
    at = _grid.Stencil.of(points.take(group.flat), spline)
    nodes = position.new_zeros(2, classes, length)
    _grid.spread(
        points, None if pool.mass is None else pool.mass.repeat(classes), spline, nodes[0].view(-1), work
    )
    at.spread(group.mass, nodes[1].view(-1))
    fields = _grid.convolve(nodes, spline, value=True, slope=live > 0)
    terms = _terms(group, at.read(fields[0, 0].view(-1)), at.read(fields[0, 1].view(-1)))
    if not live:
        return terms.precision, terms.weight
    # At the positives the parts nearly cancel: they are added in double precision. Elsewhere there is one.
    push = terms.u * at.read(fields[1, 1].view(-1)) - terms.v * at.read(fields[1, 0].view(-1))
    nodes.zero_()
    at.spread(terms.u, nodes[0].view(-1))
    at.spread(terms.v, nodes[1].view(-1))
    fields = _grid.convolve(nodes, spline, value=False, slope=True)[0]
    pulled = at.read((fields[1] - fields[0]).view(-1))
    push += pulled if group.mass is None else pulled * group.mass
    push /= group.scale.view(-1).index_select(0, group.owner)
    if live < rows:
        points = _grid.Points(*(part.view(classes, rows)[:, :live].reshape(-1) for part in points))
    slope = pool.gradient.new_empty(classes, live)
    if len(group.classes) == pool.gradient.shape[0] == 1:
        slope = pool.gradient
    factor = (1 / group.scale).expand(classes, length).reshape(-1)
    _grid.read(fields[1].view(-1), points, spline, factor, slope.view(-1), work)
    if pool.mass is not None:
        slope.mul_(pool.mass[:live])
    index, push = _among_live(pool, group, push)
    slope.view(-1).index_copy_(0, index, push.to(slope.dtype))
    if slope is not pool.gradient:
        pool.put(group.classes, slope, pool.gradient)
    return terms.precision, terms.weight


# -- windows on the sorted pool --------------------------------------------------------------------


def _windows(pool: Ranked, task: _Task) -> tuple[Tensor, Tensor]:
    group = pool.group(task.classes)
    (c,), reach = task.classes, task.spline.cut * pool.scale[task.classes[0]]
    x = pool.scores[c].double()
    ordered, order = x.sort()
    mass = torch.ones_like(ordered) if pool.mass is None else pool.mass.index_select(0, order)
    both = torch.stack([mass, mass * pool.mask[c].index_select(0, order)])
    running = torch.stack([_grid.step_sums(both[0]), _grid.step_sums(both[1])])
    at = x.index_select(0, group.flat)
    low = torch.searchsorted(ordered, at - reach)
    high = torch.searchsorted(ordered, at + reach, right=True)
    sums = running[:, -1:] - running.index_select(1, high)
    slopes = torch.zeros_like(sums)
    runs = _grid.runs((high - low).tolist(), _BLOCK)

    def near(part: slice) -> tuple[Tensor, Tensor, Tensor]:
        """All pairs of some positives and the scores in their windows, and the sigmoid of each."""
        counts = high[part] - low[part]
        query = torch.repeat_interleave(torch.arange(counts.shape[0], device=x.device), counts)
        source = torch.arange(query.shape[0], device=x.device)
        source += (low[part] - (counts.cumsum(0) - counts)).index_select(0, query)
        apart = ordered.index_select(0, source) - at[part].index_select(0, query)
        return query, source, apart.div_(pool.scale[c]).sigmoid_()

    for part in runs:
        query, source, value = near(part)
        weights = both.index_select(1, source)
        sums[:, part].index_add_(1, query, weights * value)
        slopes[:, part].index_add_(1, query, weights.mul_(value.addcmul_(value, value, value=-1)))
    terms = _terms(group, sums[0], sums[1])
    if not pool.live:
        return terms.precision, terms.weight
    pull = torch.zeros_like(ordered)
    for part in runs:
        query, source, value = near(part)
        value.addcmul_(value, value, value=-1)
        force = both[0].index_select(0, source).mul_(terms.v[part].index_select(0, query))
        force.addcmul_(both[1].index_select(0, source), terms.u[part].index_select(0, query), value=-1)
        pull.index_add_(0, source, force.mul_(value))
    slope = torch.empty_like(pull).index_copy_(0, order, pull)[: pool.live] / pool.scale[c]
    _store(pool, group, slope[None], terms.v * slopes[0] - terms.u * slopes[1])
    return terms.precision, terms.weight


ENGINES: dict[str, _Engine] = {"dense": _dense, "grid": _on_grid, "far": _far_on_grid, "window": _windows}


# -- the same in numpy, on the CPU -----------------------------------------------------------------


def _batch(pool: Ranked, task: _Task) -> _average_precision_host.Batch:
    """Copy out some classes."""
    classes = np.array(task.classes)
    return _average_precision_host.Batch(
        pool.pick(task.classes, pool.scores).numpy(),
        np.concatenate(
            [pool.flat.numpy()[pool.first[c] : pool.first[c + 1]] - c * pool.rows for c in task.classes]
        ),
        np.array([pool.count[c] for c in task.classes]),
        np.array([pool.scale[c] for c in task.classes]),
        None if pool.mass is None else pool.mass.numpy(),
        None if pool.omega is None else pool.omega.numpy(),
        np.empty((classes.size, pool.live), dtype=pool.gradient.numpy().dtype),
    )


def _dense_on_host(pool: Ranked, task: _Task) -> tuple[Tensor, Tensor]:
    batch = _batch(pool, task)
    precision, weight = _average_precision_host.dense(batch)
    pool.gradient.numpy()[task.classes] = batch.gradient
    return torch.from_numpy(precision), torch.from_numpy(weight)


def _grid_on_host(pool: Ranked, task: _Task) -> tuple[Tensor, Tensor]:
    batch = _batch(pool, task)
    high = np.array([pool.high[c] for c in task.classes])
    precision, weight = _average_precision_host.grid(batch, high, task.length, task.spline)
    pool.gradient.numpy()[task.classes] = batch.gradient
    return torch.from_numpy(precision), torch.from_numpy(weight)


HOST_ENGINES = ENGINES | {"dense": _dense_on_host, "grid": _grid_on_host}
