r"""Near-linear sums of sigmoid kernels over a pool of scores.

Smooth ranking losses need, at many points :math:`x_i`, the sums

.. math::

    S(x_i) = \sum_j m_j \, \sigma((x_i - y_j) / \tau), \qquad
    S'(x_i) = \sum_j m_j \, \sigma'((x_i - y_j) / \tau)

Written out they cost one sigmoid for every pair. They are convolutions of point masses with a fixed smooth
kernel, so a grid does the same work in nearly linear time (a non-uniform FFT in one dimension, as in
particle-mesh Ewald summation):

1. spread the masses on a grid of spacing :math:`\tau / \kappa` with cardinal B-splines of even order ``p``;
2. convolve. The sigmoid is split into a step, which a cumulative sum applies exactly, and a compact
   remainder, which one FFT applies. The kernel's spectrum is divided by the square of the B-spline symbol,
   once for the spreading and once for the reading;
3. read the result at the points with the same B-splines.

The error falls like :math:`(p / 2\pi^2\kappa)^p`: about 1e-9 of the kernel's height for ``p=4, kappa=16`` and
for ``p=6, kappa=5``, and 1e-13 for ``p=8, kappa=8``. All sums are kept in double precision whatever the
scores' type.

Source of the scheme: Essmann et al. 1995, "A smooth particle mesh Ewald method"; Unser 1999, "Splines: a
perfect fit" (the symbol).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import comb, factorial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "DENSE_NS",
    "Method",
    "PairSums",
    "Points",
    "Spline",
    "Stencil",
    "compress",
    "convolve",
    "fft_length",
    "grid_ns",
    "locate",
    "nonzero",
    "pair_block",
    "pair_sums",
    "pieces",
    "read",
    "runs",
    "spectra",
    "spline_for",
    "spread",
    "step_sums",
]

Method = Literal["auto", "dense", "grid", "window"]

CHUNK = 32_768
"""Points handled at once: their arrays stay in the cache, and torch does not split them over threads."""

DENSE_NS = 3.5
"""Cost of one pair in the dense form, forward and gradient, in nanoseconds on one core of 2020."""

_CACHED_LENGTH = 1 << 18
_NUMPY_FFT = 1 << 16
EXP_SPAN = 1300.0  # exp(span / 2) and its inverse are normal doubles


@dataclass(frozen=True, kw_only=True, slots=True)
class Spline:
    """Resolution of a grid.

    Parameters
    ----------
    order
        Even order of the B-spline: how many nodes a point touches.
    kappa
        Grid nodes per temperature.
    cut
        Distance in temperatures beyond which the sigmoid counts as a step.
    """

    order: int
    kappa: int
    cut: int

    @property
    def margin(self) -> int:
        """Nodes left free before the first point of a class."""
        return self.order // 2


FEW_POINTS = Spline(order=6, kappa=5, cut=32)
MANY_POINTS = Spline(order=4, kappa=16, cut=32)
EXACT = Spline(order=8, kappa=8, cut=40)


def spline_for(dtype: torch.dtype, points: int, span: float) -> Spline:
    """Choose the resolution for scores of a type.

    Parameters
    ----------
    dtype
        Type of the scores; ``float64`` gets the exact setting.
    points
        Scores of one class.
    span
        Range of the scores in temperatures.

    Returns
    -------
    Spline
        A low order on a fine grid where points outnumber nodes, a higher order on a coarse grid where they do
        not.
    """
    if dtype == torch.float64:
        return EXACT
    return MANY_POINTS if points > 80 * (span + FEW_POINTS.cut) else FEW_POINTS


def grid_ns(points: int, nodes: int) -> float:
    """Estimate the cost of one class on a grid, forward and gradient, in nanoseconds on one core."""
    return 80.0 * points + 120.0 * nodes + 100_000.0


# -- the B-spline ----------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def pieces(order: int) -> np.ndarray:
    """Polynomials of the B-spline: row m, column k holds the factor of t**k at the m-th node a point touches.

    ``t`` in [-1/2, 1/2) is the point's offset from the middle of its cell.
    """
    half = Fraction(1, 2)
    rows = []
    for m in range(order):
        row = [Fraction(0)] * order
        top = order - 1 - m
        for j in range(top + 1):
            sign = -1 if j % 2 else 1
            for k in range(order):
                row[k] += sign * comb(order, j) * comb(order - 1, k) * (top - j + half) ** (order - 1 - k)
        rows.append([float(v / factorial(order - 1)) for v in row])
    return np.array(rows)


def _pieces_on(order: int, device: torch.device) -> Tensor:
    return torch.as_tensor(pieces(order), device=device)


def _symbol(order: int, omega: np.ndarray) -> np.ndarray:
    """Return the Fourier series of the B-spline sampled at the nodes."""
    at_nodes = pieces(order) @ (-0.5) ** np.arange(order)
    total = np.zeros_like(omega)
    for m, value in enumerate(at_nodes):
        total += value * np.cos((m - (order // 2 - 1)) * omega)
    return total


def fft_length(least: int) -> int:
    """Return the next length that an FFT handles fast: 1, 3, 5, 9 or 15 times a power of 2."""
    best = 0
    for odd in (1, 3, 5, 9, 15):
        length = odd * 16
        while length < least:
            length *= 2
        best = length if best == 0 else min(best, length)
    return best


def spectra(length: int, spline: Spline, device: torch.device) -> Tensor:
    """Spectra of the sigmoid less its step and of its slope, cyclic: complex [2, length // 2 + 1]."""
    make = _cached_spectra if length <= _CACHED_LENGTH else _new_spectra
    return make(length, spline, device)


def _new_spectra(length: int, spline: Spline, device: torch.device) -> Tensor:
    node = np.arange(length)
    node[node > length // 2] -= length
    decay = np.exp(-np.abs(node) / spline.kappa)
    slope = decay / (1 + decay) ** 2
    remainder = -np.sign(node) * decay / (1 + decay)
    remainder[length // 2] = 0.0
    omega = 2 * np.pi * np.arange(length // 2 + 1) / length
    inverse = _symbol(spline.order, omega) ** -2.0
    step = np.zeros_like(omega)
    step[1:] = -0.5 / np.tan(omega[1:] / 2)
    spectra = np.stack(
        [
            np.fft.rfft(remainder) * inverse + 1j * (inverse - 1) * step,
            np.fft.rfft(slope) * inverse,
        ]
    )
    return torch.as_tensor(spectra, device=device)


_cached_spectra = lru_cache(maxsize=32)(_new_spectra)


# -- spreading, convolving, reading ----------------------------------------------------------------


class Points(NamedTuple):
    """Where points lie on the grid: flat cell index (int64) and offset from the cell's middle (float64)."""

    cell: Tensor
    offset: Tensor

    def take(self, index: Tensor) -> Points:
        """Pick points by their flat index."""
        return Points(self.cell.index_select(0, index), self.offset.index_select(0, index))


def locate(position: Tensor, length: int, spline: Spline) -> Points:
    """Place points on the grid.

    Parameters
    ----------
    position
        Coordinates in nodes, at least 0, float64 [C, N]. Overwritten.
    length
        Nodes per class.
    spline
        Resolution.

    Returns
    -------
    Points
        Flat, class after class, [C * N].
    """
    classes, total = position.shape
    cell = torch.empty_like(position, dtype=torch.int64)
    start = torch.arange(classes, device=position.device)[:, None] * length + spline.margin
    step = max(1, CHUNK // classes)
    for low in range(0, total, step):
        part = position[:, low : low + step]
        whole = part.floor()
        part.sub_(whole).sub_(0.5)
        torch.add(whole.long(), start, out=cell[:, low : low + step])
    return Points(cell.view(-1), position.view(-1))


class Stencil(NamedTuple):
    """The nodes that few points touch, and the share of each; for points much fewer than nodes."""

    node: Tensor  # int64 [order, N]
    share: Tensor  # float64 [order, N]

    @classmethod
    def of(cls, points: Points, spline: Spline) -> Stencil:
        """Evaluate the B-spline of each point at the nodes it touches."""
        order, offset = spline.order, points.offset
        power = offset.new_empty(order, offset.shape[0])
        power[0] = 1.0
        for k in range(1, order):
            torch.mul(power[k - 1], offset, out=power[k])
        first = order // 2 - 1
        near = torch.arange(-first, order - first, device=offset.device)[:, None]
        return cls(near + points.cell, _pieces_on(order, offset.device) @ power)

    def spread(self, mass: Tensor | None, out: Tensor) -> None:
        """Add masses, float64 [N] or None for 1, to the nodes, float64 [size]."""
        share = self.share if mass is None else self.share * mass
        out.scatter_add_(0, self.node.view(-1), share.reshape(-1))

    def read(self, field: Tensor) -> Tensor:
        """Read one field, float64 [size], at the points."""
        return field.index_select(0, self.node.view(-1)).view(self.node.shape).mul_(self.share).sum(0)


def spread(points: Points, mass: Tensor | None, spline: Spline, out: Tensor, work: Tensor) -> None:
    """Spread many point masses on the grid.

    Points of one cell share their polynomial, so only the moments of their offsets are summed, and one small
    product turns the moments of all cells into node masses.

    Parameters
    ----------
    points
        Where the N points lie.
    mass
        Mass of each point, float64 [N], or None for 1.
    spline
        Resolution.
    out
        Node masses, zeros, float64 [size].
    work
        Room for intermediate results, float64 [2, order, size].
    """
    size = out.shape[0]
    moments = work[0].zero_()
    rows = moments.unbind()
    total = points.cell.shape[0]
    for low in range(0, total, CHUNK):
        cell, offset = points.cell[low : low + CHUNK], points.offset[low : low + CHUNK]
        power = torch.ones_like(offset) if mass is None else mass[low : low + CHUNK].clone()
        rows[0].scatter_add_(0, cell, power)
        for moment in rows[1:]:
            power.mul_(offset)
            moment.scatter_add_(0, cell, power)
    first = spline.order // 2 - 1
    torch.mm(_pieces_on(spline.order, out.device), moments, out=work[1])
    for m, node in enumerate(work[1].unbind()):
        to, of = max(0, m - first), max(0, first - m)
        out[to : size - of].add_(node[of : size - to])


def read(
    field: Tensor, points: Points, spline: Spline, factor: float | Tensor, out: Tensor, work: Tensor
) -> None:
    """Read one field at many points.

    Parameters
    ----------
    field
        Values on the nodes, float64 [size].
    points
        Where the N points lie.
    spline
        Resolution.
    factor
        Multiplies what is read: a number or one for each node, [size].
    out
        Takes the field at the points, any floating point type [N].
    work
        Room for intermediate results, float64 [2, order, size].
    """
    order, first, size = spline.order, spline.order // 2 - 1, field.shape[0]
    shifted = work[0]
    shifted[:, :order] = 0.0
    shifted[:, size - order :] = 0.0
    for m, row in enumerate(shifted.unbind()):
        of, to = max(0, m - first), max(0, first - m)
        torch.mul(
            field[of : size - to],
            factor if isinstance(factor, float) else factor[of : size - to],
            out=row[to : size - of],
        )
    torch.mm(_pieces_on(order, field.device).T, shifted, out=work[1])
    table = work[1].unbind()
    for low in range(0, points.cell.shape[0], CHUNK):
        cell, offset = points.cell[low : low + CHUNK], points.offset[low : low + CHUNK]
        value = table[-1].index_select(0, cell)
        again = torch.empty_like(value)
        for coefficient in table[-2::-1]:
            torch.index_select(coefficient, 0, cell, out=again)
            torch.addcmul(again, value, offset, out=value)
        out[low : low + CHUNK] = value


def convolve(nodes: Tensor, spline: Spline, *, slope: bool, value: bool) -> Tensor:
    """Convolve node masses with the sigmoid, its derivative, or both.

    Parameters
    ----------
    nodes
        Masses, float64 [F, C, length]; the last ``cut * kappa`` nodes of a class must be free.
    spline
        Resolution.
    slope, value
        Which kernels: the sigmoid's derivative, the sigmoid.

    Returns
    -------
    Tensor
        float64 [K, F, C, length], the value first: at node n the sum over nodes m of mass(m) * kernel((n - m)
        / kappa).
    """
    length = nodes.shape[-1]
    kernels = spectra(length, spline, nodes.device)[0 if value else 1 : 2 if slope else 1]
    if nodes.device.type == "cpu" and nodes.numel() <= _NUMPY_FFT:  # torch plans its FFT anew on every call
        product = np.fft.rfft(nodes.numpy()) * kernels.numpy()[:, None, None]
        out = torch.from_numpy(np.fft.irfft(product, length))
    else:
        spectrum = torch.fft.rfft(nodes)
        out = torch.fft.irfft(spectrum * kernels[:, None, None], length)
    if value:
        out[0].add_(nodes.cumsum(-1)).add_(nodes, alpha=-0.5)
    return out


def compress(ordered: Tensor, scale: float, spline: Spline) -> Tensor:
    """Return grid coordinates of sorted scores in which no gap is wider than the kernel's reach.

    Parameters
    ----------
    ordered
        Scores, float64 [N], ascending or descending.
    scale
        Temperature.
    spline
        Resolution.

    Returns
    -------
    Tensor
        Coordinates in nodes, float64 [N], ascending from 0. A gap beyond the reach changes nothing: there the
        sigmoid is a step.
    """
    gaps = ordered.diff().abs_().div_(scale).clamp_(max=float(spline.cut)).mul_(spline.kappa)
    return torch.cat([gaps.new_zeros(1), gaps.cumsum_(0)])


def step_sums(mass: Tensor) -> Tensor:
    """Return the running sums with a zero in front: [N] gives [N + 1]."""
    return torch.cat([mass.new_zeros(1), mass.cumsum(0)])


# -- pairs written out -----------------------------------------------------------------------------


def pair_block(query: Tensor, source: Tensor, scale: Tensor, span: float, out: Tensor) -> None:
    """Write sigmoid((source - query) / scale) for all pairs.

    Parameters
    ----------
    query, source
        float64 [C, Q] and [C, S].
    scale
        Temperature, float64 [C, 1].
    span
        Bound on the range of all values in temperatures; below about 1,300 one exponential for each value
        serves all its pairs.
    out
        Takes the sigmoids, float64 [C, Q, S].
    """
    if span < EXP_SPAN:
        middle = (source.amin(1, keepdim=True) + source.amax(1, keepdim=True)) / 2
        rise = ((source - middle) / scale).exp_()[:, None, :]
        torch.add(rise, ((query - middle) / scale).exp_()[:, :, None], out=out)
        torch.div(rise, out, out=out)
    else:
        torch.sub(source[:, None, :], query[:, :, None], out=out)
        out.div_(scale[:, :, None]).sigmoid_()


def runs(counts: list[int], limit: int) -> list[slice]:
    """Cut consecutive items into runs whose counts add up to at most `limit`, or hold a single item."""
    cuts, total = [0], 0
    for i, count in enumerate(counts):
        if total and total + count > limit:
            cuts.append(i)
            total = 0
        total += count
    return [slice(a, b) for a, b in pairwise([*cuts, len(counts)]) if b > a]


def nonzero(mask: Tensor) -> Tensor:
    """Return the flat indices of the true entries, int64; faster than `torch.nonzero` on the CPU."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.reshape(-1).nonzero().view(-1)


class PairSums(NamedTuple):
    """What `pair_sums` returns; all float64."""

    value: Tensor
    """[Q]: for each query the sum over sources of ``m_j * sigmoid((x_i - y_j) / tau)``."""
    query_slope: Tensor
    """[Q]: its derivative by the query, ``sum_j m_j * sigmoid'(...) / tau``."""
    source_slope: Tensor
    """[S]: derivative of ``sum_i w_i * value_i`` by the source: ``-m_j * sum_i w_i * sigmoid'() / tau``."""


@torch.no_grad()
def pair_sums(
    query: Tensor,
    source: Tensor,
    tau: float,
    *,
    query_weight: Tensor | None = None,
    source_weight: Tensor | None = None,
    method: Literal["auto", "dense", "grid"] = "auto",
) -> PairSums:
    """Sum sigmoids over all pairs of queries and sources, with the gradients of both sides.

    Parameters
    ----------
    query
        Points x, [Q], finite.
    source
        Points y, [S], finite.
    tau
        Temperature, above 0.
    query_weight
        Weight w of each query in the sum that `source_slope` differentiates, [Q]; None for 1.
    source_weight
        Mass m of each source, [S]; None for 1.
    method
        ``dense`` writes the pairs out, in pieces; ``grid`` uses the grid; ``auto`` takes the cheaper.

    Returns
    -------
    PairSums
        Sums and both gradients. Nothing is recorded for autograd: the caller uses the gradients in a function
        of its own.

    Raises
    ------
    ValueError
        If `tau` is not above 0 or the method is unknown.
    """
    if not tau > 0:
        raise ValueError(f"tau: expected a number above 0, but got {tau}")
    if method not in {"auto", "dense", "grid"}:
        raise ValueError(f"method: expected auto, dense or grid, but got {method!r}")
    n_query, n_source = query.shape[0], source.shape[0]
    x, y = query.detach().double(), source.detach().double()
    weight = None if query_weight is None else query_weight.detach().double()
    mass = None if source_weight is None else source_weight.detach().double()
    if n_query == 0 or n_source == 0:
        return PairSums(x.new_zeros(n_query), x.new_zeros(n_query), x.new_zeros(n_source))
    both = torch.cat([y, x])
    low, high = torch.stack(both.aminmax()).tolist()
    span = (high - low) / tau
    spline = spline_for(query.dtype, n_query + n_source, span)
    nodes = min(span, float(spline.cut) * (n_query + n_source)) * spline.kappa
    if method == "auto":
        method = (
            "dense" if DENSE_NS * n_query * n_source <= grid_ns(n_query + n_source, int(nodes)) else "grid"
        )
    if method == "dense":
        return _dense_pair_sums(x, y, tau, weight, mass, span)
    if span * spline.kappa > 8 * (n_query + n_source) + CHUNK:
        ordered, order = both.sort()
        position = torch.empty_like(both).index_copy_(0, order, compress(ordered, tau, spline))
    else:
        position = (both - low).mul_(spline.kappa / tau)
    length = fft_length(int(position.max()) + spline.kappa * spline.cut + 2 * spline.order)
    points = locate(position[None], length, spline)
    at_source = Points(points.cell[:n_source], points.offset[:n_source])
    at_query = Points(points.cell[n_source:], points.offset[n_source:])
    grid, work = x.new_zeros(1, 1, length), x.new_empty(2, spline.order, length)
    spread(at_source, mass, spline, grid.view(-1), work)
    fields = convolve(grid, spline, value=True, slope=True).view(2, -1)
    value, slope, pull = torch.empty_like(x), torch.empty_like(x), torch.empty_like(y)
    read(fields[0], at_query, spline, 1.0, value, work)
    read(fields[1], at_query, spline, 1 / tau, slope, work)
    spread(at_query, weight, spline, grid.zero_().view(-1), work)
    read(convolve(grid, spline, value=False, slope=True).view(-1), at_source, spline, -1 / tau, pull, work)
    return PairSums(value, slope, pull if mass is None else pull.mul_(mass))


def _dense_pair_sums(
    x: Tensor, y: Tensor, tau: float, weight: Tensor | None, mass: Tensor | None, span: float
) -> PairSums:
    scale = x.new_full((1, 1), tau)
    ones = torch.ones_like(y) if mass is None else mass
    value, slope, pull = torch.empty_like(x), torch.empty_like(x), torch.zeros_like(y)
    step = max(1, 2 * CHUNK // y.shape[0])
    buffer = x.new_empty(min(step, x.shape[0]), y.shape[0])
    for low in range(0, x.shape[0], step):
        part = slice(low, low + step)
        block = buffer[: min(step, x.shape[0] - low)]
        pair_block(-x[None, part], -y[None], scale, span, block[None])
        value[part] = block @ ones
        block.addcmul_(block, block, value=-1)
        slope[part] = block @ ones
        pull += block.sum(0) if weight is None else weight[part] @ block
    return PairSums(value, slope.div_(tau), pull.mul_(ones).div_(-tau))
