"""Curves that a log keeps apart, each with a step of its own, laid side by side as records.

Event files and trackers store one number at a time: tag, step, value. What a tag's step counts is the
writer's choice: the training loss is often logged by optimiser step and the validation loss by epoch, some
losses by the batch within an epoch, and a run restarted in the same folder begins again. Read naively, each
of these looks like a run that starts over. Here the tags are compared with each other: a run starts over when
most of its tags do, and a tag that counts something else is placed by when it was written.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar

from imbalance_doctor.evidence import Phase
from imbalance_doctor.sources.logs.base import Parsed, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MOST_POINTS", "MOST_TAGS", "Curves", "or_instead"]

MOST_TAGS = 5_000
MOST_POINTS = 3_000_000  # of all tags together, 40 bytes each
_LONGEST, _SHORTEST = 65_536, 1_024  # points of one tag
_PER_BUCKET = 8  # room that thinning leaves for
_MOST_RESTARTS = 50
_ALIKE = 3  # points at one step from which on it is no step; restarts alike, from which on it is the batch
_FURTHEST = 2.0**53  # a step beyond is none
_SLACK = 0.05  # of the clock, by which a tag may be off without counting something else
_EPOCHS = frozenset(("epoch", "trainer/epoch", "train/epoch"))

Key = tuple[Phase, str]


@dataclass(slots=True)
class _Tag:
    """A tag's points as they came; `places` counts them, those included that were dropped since."""

    orders: array[float] = field(default_factory=lambda: array("d"))
    steps: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))
    epochs: array[float] = field(default_factory=lambda: array("d"))
    places: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0

    ARRAYS: ClassVar[tuple[str, ...]] = ("orders", "steps", "values", "epochs", "places")


@dataclass(slots=True, eq=False)
class _Curve:
    """A tag's points in one run, in the order they were written; `epochs` is what the step means there."""

    key: Key
    orders: NDArray[np.float64]
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    epochs: NDArray[np.float64]


class Curves:
    """The curves of one run folder or tracker run.

    Parameters
    ----------
    counts_epochs
        Tells from a tag that its step is an epoch, where a framework's habit says so.
    most
        Points kept of all tags together, about; longer curves are thinned.

    Examples
    --------
    >>> curves = Curves()
    >>> for step in range(4):
    ...     curves.add("loss", 1 / (step + 1), step=10 * step, order=step)
    >>> curves.add("auc", 0.7, step=1, order=3.5, phase="val")
    >>> [(r.step, dict(r.values)) for r in curves.records()][-2:]
    [(30.0, {'loss': 0.25}), (30.0, {'auc': 0.7})]
    """

    def __init__(
        self, counts_epochs: Callable[[str], bool] = lambda _: False, most: int = MOST_POINTS
    ) -> None:
        self._tags: dict[Key, _Tag] = {}
        self._counts_epochs = counts_epochs
        self._most = most
        self.left_out = 0

    def tags(self) -> set[str]:
        """Return the names of the curves."""
        return {tag for _, tag in self._tags}

    def longest(self) -> int:
        """Return how many points the longest curve has."""
        return max((len(tag.values) for tag in self._tags.values()), default=0)

    def add(
        self,
        tag: str,
        value: float,
        *,
        order: float,
        step: float | None = None,
        epoch: float | None = None,
        phase: Phase = "",
    ) -> None:
        """Take one point in.

        Parameters
        ----------
        order
            Time or position at which it was written, never falling within a tag.
        """
        found = self._tags.get((phase, tag))
        if found is None:
            if len(self._tags) >= MOST_TAGS:
                self.left_out += 1
                return
            found = self._tags[phase, tag] = _Tag()
        found.orders.append(order)
        found.steps.append(_position(step))
        found.values.append(value)
        found.epochs.append(_position(epoch))
        found.places.append(found.count)
        found.count += 1
        longest = max(_SHORTEST, min(_LONGEST, self._most // len(self._tags)))
        if len(found.values) > longest:
            _thin(found, longest)

    def take(self, other: Curves, rename: Callable[[str], str] = str, phase: Phase = "") -> None:
        """Take in the curves of a file or folder that belongs to the same run."""
        for (stated, tag), found in other._tags.items():
            key = (stated or phase, rename(tag))
            mine = self._tags.get(key)
            if mine is None:
                if len(self._tags) >= MOST_TAGS:
                    self.left_out += len(found.values)
                else:
                    self._tags[key] = found
                continue
            for name in _Tag.ARRAYS:
                getattr(mine, name).extend(getattr(found, name))
        self.left_out += other.left_out

    def records(self, group: str = "") -> Iterator[Record]:
        """Yield the points, those of one step together, steps rising within each start of the run."""
        curves = [_curve(key, tag) for key, tag in sorted(self._tags.items(), key=itemgetter(0))]
        for segment in _split(curves):
            _align(segment, self._counts_epochs)
            yield from _side_by_side(segment, group)


def _position(stated: float | None) -> float:
    return stated if stated is not None and abs(stated) <= _FURTHEST else math.nan


def _thin(tag: _Tag, longest: int) -> None:
    """Drop points evenly: each bucket keeps its extremes and what is not finite, the ends stay."""
    import numpy as np

    values, places = np.array(tag.values), np.array(tag.places)
    bucket = places * (longest // _PER_BUCKET) // tag.count
    finite = np.isfinite(values)
    kept = np.zeros(len(values), dtype=bool)
    for by in (
        np.where(finite, values, np.inf),
        np.where(finite, -values, np.inf),
        np.where(finite, 1.0, 0.0),
    ):
        ranked = np.lexsort((by, bucket))
        first = np.diff(bucket[ranked], prepend=-1) != 0
        kept[ranked[first]] = True
    kept[[0, -1]] = True
    for name in _Tag.ARRAYS:
        old = getattr(tag, name)
        setattr(tag, name, array(old.typecode, np.array(old)[kept].tobytes()))


def _curve(key: Key, tag: _Tag) -> _Curve:
    import numpy as np

    orders = np.array(tag.orders)
    by_order = np.argsort(orders, kind="stable")
    return _Curve(
        key,
        orders[by_order],
        np.array(tag.steps)[by_order],
        np.array(tag.values)[by_order],
        np.array(tag.epochs)[by_order],
    )


def _falls(curve: _Curve) -> NDArray[np.intp]:
    import numpy as np

    return np.flatnonzero(curve.steps[1:] < curve.steps[:-1]) + 1


def _split(curves: list[_Curve]) -> list[list[_Curve]]:
    """Cut where the run starts over: where the step falls back in most of the tags."""
    import numpy as np

    falls = {id(c): _falls(c) for c in curves if len(c.steps) > 1}
    if not falls:
        return [curves]
    counts = sorted(len(f) for f in falls.values())
    usual = counts[(len(counts) - 1) // 2]
    reference = [c for c in curves if id(c) in falls and len(falls[id(c)]) == usual]
    if usual == 0 or usual > _MOST_RESTARTS:
        return [curves]
    chosen = max(reference, key=lambda c: len(c.steps))
    at = falls[id(chosen)]
    if usual >= _ALIKE and len(set(chosen.steps[[0, *at]].tolist())) == 1 and len(set(np.diff(at))) <= 1:
        return [curves]
    cuts = []
    for index in at:
        before, after = chosen.orders[index - 1], chosen.orders[index]
        near = [
            float(c.orders[i])
            for c in curves
            if id(c) in falls
            for i in falls[id(c)]
            if before < c.orders[i] <= after
        ]
        cuts.append(min(near, default=float(after)))
    segments: list[list[_Curve]] = []
    for start, end in zip([-math.inf, *cuts], [*cuts, math.inf], strict=True):
        segment = []
        for c in curves:
            inside = (c.orders >= start) & (c.orders < end)
            if inside.any():
                segment.append(
                    _Curve(c.key, c.orders[inside], c.steps[inside], c.values[inside], c.epochs[inside])
                )
        segments.append(segment)
    return segments


def _align(curves: list[_Curve], counts_epochs: Callable[[str], bool]) -> None:
    """Give every tag the step of the tag that counts furthest."""
    import numpy as np

    by_epoch = {c.key for c in curves if counts_epochs(c.key[1])}
    for c in curves:
        if c.key in by_epoch:
            c.epochs = c.steps
    clocks = [c for c in curves if c.key not in by_epoch and _rises(c)]
    if not clocks:
        for c in curves:
            if by_epoch or not _is_stepped(c):
                c.steps = np.full(len(c.steps), np.nan)
        return
    clock = max(clocks, key=lambda c: (float(c.steps[-1]), len(c.steps)))
    for c in curves:
        if c is not clock:
            _follow(clock, c, own=c.key in by_epoch)


def _rises(curve: _Curve) -> bool:
    return len(curve.steps) > 1 and bool(curve.steps[-1] > curve.steps[0]) and not len(_falls(curve))


def _is_stepped(curve: _Curve) -> bool:
    """Tell whether the steps may be what they seem: they rise, or are too few to say."""
    return _rises(curve) or (len(curve.steps) < _ALIKE and not len(_falls(curve)))


def _follow(clock: _Curve, c: _Curve, *, own: bool) -> None:
    """Set a tag's steps to the clock's, unless they agree with it already."""
    import numpy as np

    rising, furthest = _rises(c), float(clock.steps[-1])
    if rising and not own and 2 * c.steps[-1] >= furthest:
        return
    after = np.searchsorted(clock.orders, c.orders, side="right")
    when = clock.steps[np.maximum(after - 1, 0)]
    following = clock.steps[np.minimum(after, len(clock.steps) - 1)]
    if not own and _is_stepped(c):
        gap = following - when + _SLACK * furthest
        if np.all((c.steps >= when - gap) & (c.steps <= following + gap)):
            return
    if not rising:
        c.steps = _spread(when, following)
        return
    if np.isnan(c.epochs).all():
        c.epochs = c.steps
    if when[-1] == when[0]:
        # what was written after the training has only its own step to go by
        share = (c.steps - c.steps[0]) / (c.steps[-1] - c.steps[0])
        when = clock.steps[0] + share * (furthest - clock.steps[0])
    c.steps = when


def _spread(when: NDArray[np.float64], following: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place several points between two steps of the clock evenly between them."""
    import numpy as np

    starts = np.flatnonzero(np.diff(when, prepend=math.nan) != 0)
    counts = np.diff([*starts.tolist(), len(when)])
    inside = np.arange(len(when)) - np.repeat(starts, counts)
    return np.asarray(when + (following - when) * inside / np.repeat(counts, counts))


def _side_by_side(curves: list[_Curve], group: str) -> Iterator[Record]:
    import numpy as np

    if not curves:
        return
    owner = np.concatenate([np.full(len(c.steps), i) for i, c in enumerate(curves)])
    orders = np.concatenate([c.orders for c in curves])
    steps = np.concatenate([c.steps for c in curves])
    epochs = np.concatenate([c.epochs for c in curves])
    values = np.concatenate([c.values for c in curves])
    # points without any step go by the order they were written in
    first = np.where(np.isnan(steps), np.where(np.isnan(epochs), 0.0, epochs), steps)
    ranked = np.lexsort((orders, first))
    row: dict[str, float] = {}
    here: tuple[float, Phase] = (math.nan, "")
    epoch: float | None = None
    step: float | None = None
    for index in ranked.tolist():
        phase, tag = curves[owner[index]].key
        place = (float(first[index]), phase)
        own = float(epochs[index])
        differs = not math.isnan(own) and epoch is not None and epoch != own
        if place != here or tag in row or differs:
            if row:
                yield Record(values=row, step=step, epoch=epoch, phase=here[1], group=group)
            row, epoch, here = {}, None, place
            step = None if math.isnan(steps[index]) else float(steps[index])
        if tag in _EPOCHS:
            epoch = float(values[index]) if math.isfinite(values[index]) else epoch
            continue
        row[tag] = float(values[index])
        if not math.isnan(own):
            epoch = own
    if row:
        yield Record(values=row, step=step, epoch=epoch, phase=here[1], group=group)


def or_instead(records: Iterator[Record], parsed: Parsed, instead: str) -> Iterator[Record]:
    """Pass records on; if there are none, say what the file is."""
    for record in records:
        yield record
        instead = ""
    parsed.instead = parsed.instead or instead
