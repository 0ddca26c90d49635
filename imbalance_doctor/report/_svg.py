"""Curves and plots as SVG, to stand inside an HTML page."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from html import escape

from imbalance_doctor.evidence import Series
from imbalance_doctor.report._curves import Mark
from imbalance_doctor.report._format import number

__all__ = ["Plot", "chart", "drift"]

_WIDTH, _HEIGHT = 360, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 8, 22
_CEILING = 20  # of a plot, whose vertical axis is named above it
_MOST_POINTS = 600
_LEAST = 1e-300  # below, doubles are too far apart for an axis


def chart(series: Series, stretches: Iterable[Mark], *, axis: str) -> str:
    """Draw one curve with the stretches that findings speak of.

    Parameters
    ----------
    series
        At least one value; those that are not finite are drawn as ticks at the top.
    stretches
        Shaded behind the curve, each with its rule as a tooltip.
    axis
        What the horizontal axis counts.
    """
    points = _thinned(series)
    finite = [y for _, y in points if math.isfinite(y)]
    low, high = _widened((min(finite), max(finite)) if finite else (0.0, 1.0))
    first, last = float(series.steps[0]), float(series.steps[-1])
    across = last - first or 1.0

    def at_x(step: float) -> float:
        return _LEFT + (min(max(step, first), last) - first) / across * (_WIDTH - _LEFT - _RIGHT)

    def at_y(value: float) -> float:
        return _TOP + (1 - _share(value, low, high)) * (_HEIGHT - _TOP - _BOTTOM)

    bottom = _HEIGHT - _BOTTOM
    parts = [
        f'<rect x="{at_x(m.first):.1f}" y="{_TOP}" width="{max(2.0, at_x(m.last) - at_x(m.first)):.1f}" '
        f'height="{bottom - _TOP}" fill="var(--{m.severity})" opacity="0.16">{_tip(m.rule)}</rect>'
        for m in stretches
    ]
    parts.append(
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="var(--line)"/>'
        + _text(_LEFT - 4, _TOP + 9, number(high), "end")
        + _text(_LEFT - 4, bottom, number(low), "end")
        + _text(_LEFT, _HEIGHT - 6, number(first), "start")
        + _text(_WIDTH - _RIGHT, _HEIGHT - 6, f"{axis} {number(last)}", "end")
    )
    for piece in _pieces(points):
        if len(piece) == 1:
            x, y = piece[0]
            parts.append(f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="2" fill="var(--curve)"/>')
            continue
        line = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in piece)
        parts.append(f'<polyline points="{line}" fill="none" stroke="var(--curve)" stroke-width="1.5"/>')
    tip = _tip("not finite")
    parts += [
        f'<path d="M{at_x(x):.1f} {_TOP}v6" stroke="var(--error)" stroke-width="2">{tip}</path>'
        for x, y in points
        if not math.isfinite(y)
    ]
    name = escape(f"{series.key} over {axis}s")
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    place = f'x="{x}" y="{y}" text-anchor="{anchor}"'
    return f'<text {place} font-size="10" fill="var(--dim)">{escape(text)}</text>'


def _tip(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _pieces(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Cut a curve where it is not finite."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _thinned(series: Series) -> list[tuple[float, float]]:
    """Return at most `_MOST_POINTS` points: of each run of values its extremes, or what is not finite."""
    count = len(series)
    if count <= _MOST_POINTS:
        return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
    found = []
    runs = _MOST_POINTS // 2
    for run in range(runs):
        part = range(run * count // runs, (run + 1) * count // runs)
        bad = [i for i in part if not math.isfinite(series.values[i])]
        kept = bad[:1] or sorted(
            {min(part, key=series.values.__getitem__), max(part, key=series.values.__getitem__)}
        )
        found += [(float(series.steps[i]), float(series.values[i])) for i in kept]
    return found


Span = tuple[float, float]


class Plot:
    """A picture with two axes, to which curves, bars and dots are added one upon the other.

    Parameters
    ----------
    name
        Of the picture, for those who do not see it.
    x, y
        Lowest and highest value of each axis; what lies outside is drawn at the edge.
    across, up
        What the axes measure.
    log
        The horizontal axis counts powers of ten; `x` must be positive.
    """

    def __init__(self, name: str, x: Span, y: Span, *, across: str, up: str, log: bool = False) -> None:
        self._name, self._x, self._y, self._log = name, _widened(x), _widened(y), log
        bottom = _HEIGHT - _BOTTOM
        self._behind: list[str] = []
        self._parts = [
            f'<path d="M{_LEFT} {_CEILING}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="var(--line)"/>'
            + _text(_LEFT - 4, _CEILING + 9, number(y[1]), "end")
            + _text(_LEFT - 4, bottom, number(y[0]), "end")
            + _text(_LEFT, _CEILING - 6, up, "start")
            + _text(_LEFT, _HEIGHT - 6, number(x[0]), "start")
            + _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, across, "middle")
            + _text(_WIDTH - _RIGHT, _HEIGHT - 6, number(x[1]), "end")
        ]

    def band(self, first: float, last: float, tip: str, color: str = "note") -> None:
        """Shade a range of the horizontal axis."""
        left, right = self._at_x(first), self._at_x(last)
        self._behind.append(
            f'<rect x="{left:.1f}" y="{_CEILING}" width="{max(2.0, right - left):.1f}" '
            f'height="{_HEIGHT - _BOTTOM - _CEILING}" fill="var(--{color})" opacity="0.16">{_tip(tip)}</rect>'
        )

    def guide(self, points: Iterable[Span], tip: str) -> None:
        """Draw a dashed line that curves are to be held against."""
        self._line(points, 'stroke="var(--dim)" stroke-dasharray="4 3"', tip)

    def line(self, points: Iterable[Span], tip: str, color: str = "curve") -> None:
        """Draw a curve."""
        self._line(points, f'stroke="var(--{color})" stroke-width="1.5"', tip)

    def outline(self, edges: Sequence[float], heights: Sequence[float], tip: str, color: str) -> None:
        """Draw bars that touch as one area."""
        base = self._at_y(self._y[0])
        path = f"M{self._at_x(edges[0]):.1f} {base:.1f}"
        for right, height in zip(edges[1:], heights, strict=True):
            path += f"V{self._at_y(height):.1f}H{self._at_x(right):.1f}"
        self._parts.append(
            f'<path d="{path}V{base:.1f}Z" fill="var(--{color})" fill-opacity="0.22" '
            f'stroke="var(--{color})">{_tip(tip)}</path>'
        )

    def dot(self, x: float, y: float, tip: str, color: str = "curve", reach: Span | None = None) -> None:
        """Draw a point, with the interval that it may lie in."""
        across, paint = self._at_x(x), f"var(--{color})"
        if reach is not None:
            low, high = (self._at_y(end) for end in reach)
            self._parts.append(f'<path d="M{across:.1f} {low:.1f}V{high:.1f}" stroke="{paint}"/>')
        self._parts.append(
            f'<circle cx="{across:.1f}" cy="{self._at_y(y):.1f}" r="3" fill="{paint}">{_tip(tip)}</circle>'
        )

    def svg(self) -> str:
        """Return the picture."""
        inner = "".join(self._behind + self._parts)
        name = escape(self._name)
        return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">{inner}</svg>'

    def _line(self, points: Iterable[Span], style: str, tip: str) -> None:
        line = " ".join(f"{self._at_x(x):.1f},{self._at_y(y):.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{line}" fill="none" {style}>{_tip(tip)}</polyline>')

    def _at_x(self, value: float) -> float:
        low, high = self._x
        value = min(max(value, low), high)
        if self._log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return _LEFT + _share(value, low, high) * (_WIDTH - _LEFT - _RIGHT)

    def _at_y(self, value: float) -> float:
        low, high = self._y
        share = _share(min(max(value, low), high), low, high)
        return _CEILING + (1 - share) * (_HEIGHT - _CEILING - _BOTTOM)


def _widened(ends: Span) -> Span:
    """Return a range that has a width."""
    low, high = ends
    if high / 2 - low / 2 > 0:
        return ends
    pad = abs(low) * 0.05
    pad = pad if pad > _LEAST else 0.5
    return max(low - pad, -sys.float_info.max), min(low + pad, sys.float_info.max)


def _share(value: float, low: float, high: float) -> float:
    return (value / 2 - low / 2) / (high / 2 - low / 2)  # halves: the range of doubles has no double


def drift(lines: Sequence[tuple[Series, str]], *, axis: str) -> str:
    """Draw several curves over one axis, each with its colour; what is not finite is left out."""
    kept = [([p for p in _thinned(series) if math.isfinite(p[1])], series, color) for series, color in lines]
    points = [point for some, _, _ in kept for point in some]
    if not points:
        return ""
    across, up = zip(*points, strict=True)
    name = " and ".join(series.name for series, _ in lines)
    plot = Plot(name, (min(across), max(across)), (min(up), max(up)), across=axis, up="logit")
    for some, series, color in kept:
        plot.line(some, series.name, color)
    return plot.svg()
