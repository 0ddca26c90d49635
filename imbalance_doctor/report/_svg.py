"""Curves as SVG, to stand inside an HTML page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from imbalance_doctor.evidence import Series
from imbalance_doctor.report._curves import Mark
from imbalance_doctor.report._format import number

__all__ = ["chart"]

_WIDTH, _HEIGHT = 360, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 8, 22
_MOST_POINTS = 600


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
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        pad = abs(low) * 0.05 or 0.5
        low, high = low - pad, high + pad
    first, last = float(series.steps[0]), float(series.steps[-1])
    across = last - first or 1.0

    def at_x(step: float) -> float:
        return _LEFT + (min(max(step, first), last) - first) / across * (_WIDTH - _LEFT - _RIGHT)

    def at_y(value: float) -> float:
        share = (high / 2 - value / 2) / (high / 2 - low / 2)  # halves: the range of doubles has no double
        return _TOP + share * (_HEIGHT - _TOP - _BOTTOM)

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
