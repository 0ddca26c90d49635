"""Smooth-AP on the CPU in numpy: all pairs and the spline grid, on one core.

Calls cost less than torch's and wait for no other thread, which costs more than a second core gains. The
formulas are those of `_average_precision`; what is summed is the same to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch

from imbalance_doctor.losses import _grid
from imbalance_doctor.losses._compiled import kernels

__all__ = ["NODES", "NONE", "PAIRS", "Batch", "dense", "grid", "grid_of_class", "turned"]

PAIRS = 98_304
"""Pairs of classes solved together."""

NODES = 10_240
"""Grid nodes, or points, of classes solved together."""

NONE = np.empty(0)
"""Weights that are all 1, to compiled functions."""

_TILE = 32_000
_LEAST_TILE = 1_024
_TILES = 6
_CHUNK = 16_384
_TURNED = 256
_BUFFER = 256
_SPREAD = (
    600.0  # range of the positives in temperatures up to which one exponential per score serves all pairs
)
_REACH = 350.0  # exp(2 * _REACH) is a normal double, and beyond 50 temperatures a sigmoid is 0 or 1
_ONE_THREAD = 1 << 18  # products up to here are not worth a second thread to BLAS


_P = ParamSpec("_P")
_R = TypeVar("_R")


class Batch(NamedTuple):
    """Classes solved together: G classes, M rows, N positives in all, class after class."""

    scores: np.ndarray  # floating point [G, M], finite
    row: np.ndarray  # int64 [N], ascending in each class
    sizes: np.ndarray  # int64 [G], positives of each class, above 0
    scale: np.ndarray  # float64 [G]
    mass: np.ndarray | None  # float64 [M]
    omega: np.ndarray | None  # float64 [M]
    gradient: np.ndarray  # takes the gradient of the loss, floating point [G, live]


def turned(values: np.ndarray) -> np.ndarray:
    """Copy a matrix to its transpose, in tiles that stay in the cache."""
    out = np.empty(values.shape[::-1], dtype=values.dtype)
    side = _TURNED if min(values.shape) > 1 else max(values.size, 1)
    for low in range(0, values.shape[0], side):
        for left in range(0, values.shape[1], side):
            out[left : left + side, low : low + side] = values[low : low + side, left : left + side].T
    return out


def _short_buffers(engine: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep numpy from copying rows and columns into buffers before it joins them, which is slower."""

    @wraps(engine)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        before = np.setbufsize(_BUFFER)
        try:
            return engine(*args, **kwargs)
        finally:
            np.setbufsize(before)

    return run


# -- all pairs -------------------------------------------------------------------------------------


class _Tile(NamedTuple):
    """All queries [G, Q] with some of the sources."""

    first: int
    source: np.ndarray  # [G, 1, m]
    weight: np.ndarray  # [G, m]
    block: np.ndarray  # [G, Q, m], what is written out


class _Pairs:
    """Sums over all pairs of queries [G, Q] and sources [G, S], in tiles.

    With e = exp(score / tau) the sigmoid is e_j / (e_i + e_j) and its slope e_i e_j / (e_i + e_j)^2: given e,
    a tile holds 1 / (e_i + e_j), then its square. Where scores spread too far for that they come as they
    are, with their scale [G, 1, 1]; a tile holds the sigmoid and then its slope, and the factors e are 1.
    """

    def __init__(
        self, query: np.ndarray, source: np.ndarray, mass: np.ndarray | None, scale: np.ndarray | None
    ) -> None:
        (classes, queries), count = query.shape, source.shape[1]
        self.scale, self.query = scale, query[:, :, None]
        weight = source if scale is None else np.ones_like(source)
        if mass is not None:
            weight = weight * mass
        size = _TILE if classes > 1 else min(_TILE, max(_LEAST_TILE, query.size * count // _TILES))
        step = min(count, max(1, size // query.size))
        # Several classes keep all slopes for the second pass; one, which may be large, writes them anew.
        self.kept = classes > 1 or step == count
        room = np.empty(query.size * (count if self.kept else step))
        self.tiles = []
        for first in range(0, count, step):
            part = slice(first, min(first + step, count))
            start = query.size * first if self.kept else 0
            block = room[start : start + query.size * (part.stop - first)].reshape(classes, queries, -1)
            self.tiles.append(_Tile(first, source[:, None, part], weight[:, part], block))

    def _fill(self, source: np.ndarray, block: np.ndarray) -> None:
        if self.scale is None:
            np.add(self.query, source, out=block)
        else:
            with np.errstate(over="ignore"):  # infinite where the sigmoid is 0
                np.subtract(self.query, source, out=block)
                block /= self.scale
                np.exp(block, out=block)
            block += 1
        np.divide(1.0, block, out=block)  # twice as fast as np.reciprocal

    def _to_slope(self, block: np.ndarray) -> None:
        if self.scale is None:
            np.multiply(block, block, out=block)
        else:
            block -= block * block

    def sums(self) -> np.ndarray:
        """Sum sigmoids, and their slopes, over the sources of each query: [2, G, Q]."""
        sums = np.empty((len(self.tiles), 2, *self.query.shape))
        for (_, source, weight, block), (value, slope) in zip(self.tiles, sums, strict=True):
            self._fill(source, block)
            np.matmul(block, weight[:, :, None], out=value)
            self._to_slope(block)
            np.matmul(block, weight[:, :, None], out=slope)
        total: np.ndarray = sums.sum(axis=0)[..., 0]
        if self.scale is None:
            total[1] *= self.query[..., 0]
        return total

    def pull(self, force: np.ndarray, out: np.ndarray) -> None:
        """Sum force_i * mass_j * slope_ij over the queries, for the first sources: `out`, [G, up to S].

        Follows `sums`, whose last tile is still there.
        """
        force = (force * self.query[..., 0] if self.scale is None else force)[:, None, :]
        there = True
        for first, source, weight, block in reversed(self.tiles):
            if not there:
                self._fill(source, block)
                self._to_slope(block)
            there = self.kept
            found = np.matmul(force, block)[:, 0]
            found *= weight
            out[:, first : first + found.shape[1]] = found[:, : max(0, out.shape[1] - first)]


def _powers(
    scores: np.ndarray, tau: np.ndarray, owner: np.ndarray, row: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """All scores and the queries among them as `_Pairs` wants them, and its scale."""
    x = np.multiply(scores, 0.5, dtype=np.float64)  # by halves no difference overflows
    at = x[owner, row]
    low, high = at.min(axis=1, keepdims=True), at.max(axis=1, keepdims=True)
    reach = tau * (_REACH / 2)
    if (high - low > reach * (_SPREAD / _REACH)).any():
        return 2 * x, 2 * at, tau[:, :, None]
    x -= low / 2 + high / 2
    np.maximum(x, -reach, out=x)
    np.minimum(x, reach, out=x)
    x /= tau / 2
    np.exp(x, out=x)
    return x, x[owner, row], None


@_short_buffers
def dense(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Write out all pairs: average precision and weight of the positives, [G] both."""
    scores, row, count, scale, mass, omega, gradient = batch
    classes, live = gradient.shape
    if classes == 1:
        row = row[None]
        owner, real = np.zeros((1, 1), dtype=np.int64), None
    else:
        rank = np.arange(count.max())
        real = rank < count[:, None]
        first = (np.cumsum(count) - count)[:, None]
        row = row[first + np.minimum(rank, count[:, None] - 1)]  # the last one fills up
        owner = np.arange(classes)[:, None]
    tau = scale[:, None]
    x, at, far = _powers(scores, tau, owner, row)
    among = None if mass is None else mass[row]
    weight = np.ones_like(at) if omega is None else omega[row]
    if real is not None:
        weight *= real
        among = real if among is None else among * real

    pool, own = _Pairs(at, x, mass, far), _Pairs(at, at, among, far)
    (above, slope), (positive_above, positive_slope) = pool.sums(), own.sums()
    itself = 0.5 if mass is None else 1 - mass[row] / 2
    above += itself
    positive_above += itself
    ratio = positive_above / above
    total = weight.sum(axis=1)
    share = weight / (total + (total == 0))[:, None]
    precision = (share * ratio).sum(axis=1)
    if live:
        u = share / above
        v = u * ratio
        pool.pull(v / tau, gradient)
        # At the positives two parts nearly cancel: they are added in double precision.
        push = np.empty_like(at)
        own.pull(v - u, push)
        push += u * positive_slope - v * slope
        push /= tau
        put = row < live
        if real is not None:
            put &= real
        gradient[put.nonzero()[0], row[put]] = push[put]
    return precision, total


# -- the grid --------------------------------------------------------------------------------------


def _product(matrix: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """Multiply a small matrix with a wide one, in pieces that BLAS leaves to one thread."""
    step = _ONE_THREAD // matrix.size
    for low in range(0, columns.shape[1], step):
        np.matmul(matrix, columns[:, low : low + step], out=out[:, low : low + step])


def _add_at(out: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
    """Add values at flat indices; numpy's own ways are slower and keep other threads waiting."""
    torch.from_numpy(out).scatter_add_(0, torch.from_numpy(index), torch.from_numpy(values))


class _Grid:
    """The scores of a batch on the grid of each class, side by side."""

    def __init__(self, batch: Batch, high: np.ndarray, length: int, spline: _grid.Spline) -> None:
        scores = batch.scores
        classes, rows = scores.shape
        self.spline, self.length, self.size = spline, length, classes * length
        self.pieces = _grid.pieces(spline.order)
        self.first = spline.order // 2 - 1
        start = (np.arange(classes) * length + spline.margin)[:, None]
        per_node = (spline.kappa / batch.scale)[:, None]
        self.work = np.empty((2, spline.order, self.size))
        self.offset = np.empty((classes, rows))  # from the middle of the cell
        self.cell = np.empty((classes, rows), dtype=np.int64)
        step = max(1, _CHUNK // classes)
        for low in range(0, rows, step):
            offset, cell = self.offset[:, low : low + step], self.cell[:, low : low + step]
            # Downwards from the best score: the mass at smaller coordinates is the mass ranked above.
            np.subtract(high[:, None], scores[:, low : low + step], out=offset)
            offset *= per_node
            whole = np.floor(offset)
            offset -= whole
            offset -= 0.5
            np.copyto(cell, whole, casting="unsafe")
            cell += start

    def spread(self, mass: np.ndarray | None) -> np.ndarray:
        """Spread all points, by the moments of the offsets in each cell: [size]."""
        order = self.spline.order
        moments = self.work[0]
        moments[:] = 0
        cells, offsets = self.cell.reshape(-1), self.offset.reshape(-1)
        for low in range(0, cells.size, _CHUNK):
            cell, offset = cells[low : low + _CHUNK], offsets[low : low + _CHUNK]
            power = np.ones_like(offset) if mass is None else mass[low : low + _CHUNK].copy()
            _add_at(moments[0], cell, power)
            for moment in moments[1:]:
                power *= offset
                _add_at(moment, cell, power)
        _product(self.pieces, moments, self.work[1])
        nodes = np.zeros(self.size + order)
        for m, node in enumerate(self.work[1]):
            nodes[m : m + self.size] += node
        return nodes[self.first : self.first + self.size]

    def read(self, field: np.ndarray, out: np.ndarray) -> None:
        """Read a field [size] at the first points of each class: `out`, [G, up to M]."""
        order, live = self.spline.order, out.shape[1]
        padded = np.zeros(self.size + order)
        padded[self.first : self.first + self.size] = field
        shifted, table = self.work
        for m, line in enumerate(shifted):
            line[:] = padded[m : m + self.size]
        _product(np.ascontiguousarray(self.pieces.T), shifted, table)
        step = max(1, _CHUNK // out.shape[0])
        for low in range(0, live, step):
            part = slice(low, min(low + step, live))
            cell, offset = self.cell[:, part], self.offset[:, part]
            value = table[-1].take(cell)
            again = np.empty_like(value)
            for coefficient in table[-2::-1]:
                value *= offset
                value += coefficient.take(cell, out=again, mode="clip")
            out[:, part] = value


class _Stencil:
    """The nodes that some points touch, and the share of each; for points fewer than nodes."""

    def __init__(self, on: _Grid, flat: np.ndarray) -> None:
        order, offset = on.spline.order, on.offset.reshape(-1).take(flat)
        power = np.empty((order, flat.size))
        power[0] = 1.0
        for k in range(1, order):
            np.multiply(power[k - 1], offset, out=power[k])
        self.share = np.empty_like(power)
        _product(on.pieces, power, self.share)
        self.node = np.arange(-on.first, order - on.first)[:, None] + on.cell.reshape(-1).take(flat)

    def spread(self, mass: np.ndarray | None, out: np.ndarray) -> None:
        share = self.share if mass is None else self.share * mass
        _add_at(out, self.node.reshape(-1), share.reshape(-1))

    def read(self, field: np.ndarray) -> np.ndarray:
        value = field.take(self.node, mode="clip")
        value *= self.share
        total: np.ndarray = value.sum(axis=0)
        return total


def _convolve(nodes: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Convolve each of the rows [..., length] with each kernel [K, length // 2 + 1]: [K, ..., length]."""
    lines = nodes.reshape(-1, nodes.shape[-1])
    product = np.fft.rfft(lines) * spectra[:, None]
    out: np.ndarray = np.fft.irfft(product, nodes.shape[-1]).reshape(len(spectra), *nodes.shape)
    return out


def grid(batch: Batch, high: np.ndarray, length: int, spline: _grid.Spline) -> tuple[np.ndarray, np.ndarray]:
    """Sum on a grid of `length` nodes for each class: average precision and weight of the positives, [G].

    `high`, float64 [G], holds the best score of each class.
    """
    compiled = kernels("pairs")
    if compiled is None:
        return _grid_of_classes(batch, high, length, spline)
    return _grid_compiled(batch, high, length, spline, compiled)


def _grid_compiled(
    batch: Batch, high: np.ndarray, length: int, spline: _grid.Spline, compiled: Any
) -> tuple[np.ndarray, np.ndarray]:
    scores, row, sizes, scale, mass, omega, gradient = batch
    weights = NONE if mass is None else mass, NONE if omega is None else omega
    found = np.empty((2, sizes.size))
    first = 0
    for c, (count, tau) in enumerate(zip(sizes.tolist(), scale.tolist(), strict=True)):
        at = row[first : first + count]
        place = float(high[c]), length, spline
        found[:, c] = grid_of_class(compiled, scores[c], at, tau, weights, place, gradient[c])
        first += count
    return found[0], found[1]


def grid_of_class(
    compiled: Any,
    scores: np.ndarray,
    row: np.ndarray,
    tau: float,
    weights: tuple[np.ndarray, np.ndarray],
    place: tuple[float, int, _grid.Spline],
    gradient: np.ndarray,
) -> tuple[float, float]:
    """Sum on a grid in compiled loops: average precision and weight of the positives.

    Parameters
    ----------
    compiled
        The kernels ``pairs``.
    scores, row, tau
        Of one class, [M], its positives, ascending, [N], and the temperature.
    weights
        How many rows each row stands for, and its weight as a positive, float64 [M] each, or [0] for 1.
    place
        The best score, nodes, and resolution.
    gradient
        Takes the gradient of the loss, [live].
    """
    high, length, spline = place
    mass = weights[0]
    positives = scores[row]
    among = mass[row] if mass.size else mass
    grid = (high, spline.kappa / tau), _grid.pieces(spline.order), (0,) * spline.order
    spectra = _grid.spectra(length, spline, torch.device("cpu")).numpy()
    nodes, push = np.zeros((2, length)), np.empty(row.size)
    compiled.spread(scores, mass, *grid, nodes[0])
    compiled.spread(positives, among, *grid, nodes[1])
    fields = _convolve(nodes, spectra)
    precision, total = compiled.terms(positives, row, weights, *grid, fields, push, nodes)
    if gradient.size:
        fields = _convolve(nodes, spectra[1:])[0]
        compiled.read(scores, positives, row, mass, *grid, fields, tau, push, gradient)
    return precision, total


@_short_buffers
def _grid_of_classes(
    batch: Batch, high: np.ndarray, length: int, spline: _grid.Spline
) -> tuple[np.ndarray, np.ndarray]:
    scores, row, count, scale, mass, omega, gradient = batch
    classes, rows = scores.shape
    live = gradient.shape[1]
    first, owner = np.cumsum(count) - count, np.repeat(np.arange(classes), count)
    on = _Grid(batch, high, length, spline)
    at = _Stencil(on, owner * rows + row)
    among = None if mass is None else mass[row]
    nodes = np.empty((2, classes, length))
    nodes[0] = on.spread(None if mass is None else np.tile(mass, classes)).reshape(classes, length)
    nodes[1] = 0
    at.spread(among, nodes[1].reshape(-1))
    spectra = _grid.spectra(length, spline, torch.device("cpu")).numpy()
    fields = _convolve(nodes, spectra if live else spectra[:1])
    fields[0] += nodes.cumsum(axis=-1)
    fields[0] -= nodes / 2
    flat = fields.reshape(len(fields), 2, -1)

    itself = 0.5 if among is None else 1 - among / 2
    above = at.read(flat[0, 0]) + itself
    ratio = (at.read(flat[0, 1]) + itself) / above
    weight = np.ones(row.size) if omega is None else omega[row]
    total = np.add.reduceat(weight, first)
    share = weight / (total + (total == 0))[owner]
    precision = np.add.reduceat(share * ratio, first)
    if not live:
        return precision, total
    u = share / above
    v = u * ratio
    # At the positives two parts nearly cancel: they are added in double precision.
    push = u * at.read(flat[1, 1]) - v * at.read(flat[1, 0])
    nodes[:] = 0
    at.spread(v, nodes[0].reshape(-1))
    at.spread(u, nodes[1].reshape(-1))
    fields = _convolve(nodes, spectra[1:])[0]
    pulled = at.read((fields[0] - fields[1]).reshape(-1))
    push += pulled if among is None else pulled * among
    push /= scale[owner]
    fields[0] /= scale[:, None]
    on.read(fields[0].reshape(-1), gradient)
    if mass is not None:
        gradient *= mass[:live]
    put = row < live
    gradient[owner[put], row[put]] = push[put]
    return precision, total
