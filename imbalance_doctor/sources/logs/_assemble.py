"""Records of one log to training runs: what belongs to which run, where it stands, what it is a series of.

Values are collected in columns, one for each of the log's keys, at most `MOST_POINTS` of each; where a run
starts over is noted as the records pass by. The rest is settled at the end, when all keys are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from imbalance_doctor.evidence import Axis, Phase, Series, TrainingLog
from imbalance_doctor.sources.logs._keys import (
    ABSOLUTE,
    CURVES,
    SHARES,
    STAND_IN,
    Named,
    Place,
    canonical,
    override,
    phase_of_file,
)
from imbalance_doctor.sources.logs.base import Options, Parsed, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["FEWEST", "MOST_POINTS", "Assembled", "assemble"]

FEWEST = 3
"""Points without which there is no series."""

MOST_POINTS = 20_000
"""Points of one key that are kept."""

_PENDING = 1_024
_BUCKET = 4
_MOST_COLUMNS = 5_000
_MOST_STREAMS = 2_000
_MOST_SHAPES = 2_000
_MOST_KEYS = 20_000
_MOST_BREAKS = 10_000
_MOST_IGNORED = 20
_MOST_RANKS = 16
_SCRAPS = 2  # records of which a run that starts over must have more
_MANY = 5
_SLACK = 1e-6
_OVERLAP = 0.3  # a resumed run repeats less of what was logged before it stopped
_MOSTLY = 0.7
# What cannot change within a training; where it does, every value is a training of its own.
_SETTINGS = frozenset(
    ("depth", "max_depth", "min_child_weight", "subsample", "colsample_bytree", "colsample_bylevel",
     "num_leaves", "n_estimators", "min_data_in_leaf", "min_samples_leaf", "min_samples_split",
     "hidden_size", "hidden_dim", "hidden_units", "n_hidden", "n_layers", "num_layers", "kernel_size",
     "embedding_dim", "base_score", "n_neighbors")
)  # fmt: skip
_LARGEST_SHARE = 1.5
_LARGEST_PERCENT = 100.5
_ABSENT = -1.0  # how detection metrics say that a class is not in the data

# columns of a chunk
_ORDER, _LINE, _STEP, _EPOCH, _VALUE = range(5)


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """The runs of one log.

    Attributes
    ----------
    keys, ignored, notes
        As in `base.LogReading`.
    thin
        What was understood, but too short to be a series, with the number of values.
    instead
        What the log is, where its records themselves show that it holds no course.
    """

    runs: tuple[TrainingLog, ...]
    keys: Mapping[str, str]
    ignored: tuple[str, ...]
    notes: tuple[str, ...] = ()
    thin: Mapping[str, int] = field(default_factory=dict)
    instead: str = ""


class _Key(NamedTuple):
    """A key of the log, and the phase of the records it stood in."""

    key: str
    phase: Phase


class _Column:
    """Values of one key: order, line, step, epoch, value."""

    __slots__ = ("_chunks", "_kept", "_last", "_pending", "count", "is_curve")

    def __init__(self, *, is_curve: bool) -> None:
        self.is_curve = is_curve
        self._chunks: list[Floats] = []
        self._pending: list[tuple[float, float, float, float, float]] = []
        self._kept = 0
        self._last: tuple[float, float, float] | None = None
        self.count = 0

    def add(self, order: int, line: int, step: float, epoch: float, value: float) -> None:
        here = (step, epoch, value)
        if here == self._last:  # written twice for one step, by another rank or at the end of an epoch
            return
        self._last = here if step == step else None  # noqa: PLR0124  a step that is not stated is NaN
        self._pending.append((order, line, step, epoch, value))
        self.count += 1
        if len(self._pending) >= _PENDING:
            self._flush()

    def rows(self) -> Floats:
        """Return all points, float64 [N, 5], in order."""
        self._flush()
        import numpy as np

        if not self._chunks:
            return np.zeros((0, 5))
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0]

    def _flush(self) -> None:
        import numpy as np

        if not self._pending:
            return
        self._chunks.append(np.array(self._pending, dtype=np.float64))
        self._kept += len(self._pending)
        self._pending = []
        if self._kept > MOST_POINTS:
            self._chunks = [thinned(np.concatenate(self._chunks), MOST_POINTS // 2)]
            self._kept = len(self._chunks[0])


def thinned(rows: Floats, most: int) -> Floats:
    """Return at most `most` rows, spread evenly.

    Of every bucket of neighbours the smallest and the largest value stay and the first that is not finite;
    so do the first and the last row of all.

    Parameters
    ----------
    rows
        float64 [N, 5], the value last.
    """
    import numpy as np

    while len(rows) > most:
        whole = len(rows) // _BUCKET * _BUCKET
        buckets = rows[:whole, _VALUE].reshape(-1, _BUCKET)
        odd = ~np.isfinite(buckets)
        at = np.arange(len(buckets))
        keep = np.zeros(buckets.shape, dtype=bool)
        keep[at, np.where(odd, np.inf, buckets).argmin(1)] = True
        keep[at, np.where(odd, -np.inf, buckets).argmax(1)] = True
        keep[at, odd.argmax(1)] |= odd.any(1)
        kept = np.concatenate([keep.ravel(), np.ones(len(rows) - whole, dtype=bool)])
        kept[[0, -1]] = True
        rows = rows[kept]
    return rows


@dataclass(slots=True)
class _Unnamed:
    """A key that was not understood."""

    first: float
    count: int = 1
    varies: bool = False


class _Stream:
    """What one rank wrote of one group.

    Parameters
    ----------
    given
        What the user says keys mean.

    Attributes
    ----------
    breaks
        Order of each record at which the count of steps or epochs falls back.
    inner
        How often the step fell back while the epoch went on: a step that counts within its epoch.
    """

    def __init__(self, given: Mapping[str, Named]) -> None:
        self._given = given
        self._known: dict[Phase, dict[str, _Column | None]] = {"": {}, "train": {}, "val": {}}
        self.columns: dict[_Key, _Column] = {}
        self.ignored: dict[str, _Unnamed] = {}
        self.breaks: list[int] = []
        self.inner = 0
        self.records = 0
        self._last: dict[_Key, tuple[float, float]] = {}

    def add(self, record: Record, order: int) -> None:
        """Take a record in."""
        step = math.nan if record.step is None else record.step
        epoch = math.nan if record.epoch is None else record.epoch
        known, line = self._known[record.phase], record.line
        counted = ""
        for key, value in record.values.items():
            try:
                column = known[key]
            except KeyError:
                column = self._column(key, record.phase)
                if len(known) < _MOST_KEYS:
                    known[key] = column
            if column is None:
                self._pass_over(key, value)
                continue
            if column.is_curve and (not counted or key == "loss"):
                counted = key
            column.add(order, line, step, epoch, value)
        if counted:
            self.records += 1
            self._watch(_Key(counted, record.phase), step, epoch, order)

    def _column(self, key: str, phase: Phase) -> _Column | None:
        """Return where the values of a key go; None for what is not understood."""
        which = _Key(key, phase)
        named = self._given.get(key) or canonical(key)
        if named is not None and which not in self.columns and len(self.columns) < _MOST_COLUMNS:
            self.columns[which] = _Column(is_curve=named.name in CURVES)
        return self.columns.get(which)

    def _pass_over(self, key: str, value: float) -> None:
        unnamed = self.ignored.get(key)
        if unnamed is not None:
            unnamed.count += 1
            unnamed.varies |= value != unnamed.first
        elif len(self.ignored) < _MOST_COLUMNS:
            self.ignored[key] = _Unnamed(value)

    def _watch(self, shape: _Key, step: float, epoch: float, order: int) -> None:
        """Note where the run starts over; each kind of record is compared with its own alone."""
        last = self._last.get(shape)
        if last is not None:
            falls = step < last[0]
            if falls and epoch > last[1]:
                self.inner += 1
            elif falls or (epoch < last[1] and not step >= last[0]):
                if len(self.breaks) < _MOST_BREAKS:
                    self.breaks.append(order)
                self._last.clear()
        elif len(self._last) >= _MOST_SHAPES:
            return
        self._last[shape] = (step, epoch)


def assemble(parsed: Parsed, options: Options, source: str) -> Assembled:
    """Read all records of a log, and make runs of them.

    Parameters
    ----------
    source
        Name of the file; ``test_error.tsv`` says whose values it holds.

    Raises
    ------
    InputError
        From the reader, as its records are lazy; or an option names an unknown series.
    """
    given = override(options.keys)
    streams = _collect(parsed.records, given)
    notes: list[str] = []
    names = _Naming(given, streams).resolve(phase_of_file(PurePath(source).name), notes)
    groups: dict[str, dict[str, _Stream]] = {}
    for (group, rank), stream in streams.items():
        groups.setdefault(group, {})[rank] = stream
    single = _no_course(groups)
    found = [
        run
        for group, ranks in groups.items()
        for run in _runs(*_base(ranks), names, parsed, group)
        if not single
    ]
    runs = [run for run in found if any(len(s) >= FEWEST and s.name in CURVES for s in run.series)]
    if runs and len(runs) < len(found):
        notes.append(f"{len(found) - len(runs)} more with fewer than {FEWEST} values were left out")
    if len(streams) >= _MOST_STREAMS:
        notes.append(f"more than {_MOST_STREAMS:,} groups or ranks: the others were left out")
    thin: dict[str, int] = {}
    for series in (s for run in found for s in run.series if s.name in CURVES and not runs):
        thin[series.key] = max(thin.get(series.key, 0), len(series))
    counts = _counts(streams.values())
    known = _known(names, {s.key for run in runs for s in run.series} or set(thin))
    ignored = sorted((k for k in counts if k not in known), key=lambda k: -counts[k])
    missing = [key for key in given if key not in counts]
    if missing:
        notes.append(f"--map: the log has no key '{missing[0]}'")
    return Assembled(
        runs=tuple(_labelled(runs, source, parsed.crash)),
        keys=known,
        ignored=tuple(ignored[:_MOST_IGNORED]),
        notes=tuple(notes),
        thin=thin,
        instead=single,
    )


def _no_course(groups: Mapping[str, Mapping[str, _Stream]]) -> str:
    """Return what a log is whose values stand beside each other and do not follow on each other."""
    streams = [stream for ranks in groups.values() for stream in ranks.values()]
    longest = _longest(streams)
    if len(groups) > 1 and longest == 1:
        return f"results with one value for each of {len(groups):,} groups ({next(iter(groups))}, ...)"
    tried = [
        key
        for stream in streams
        for key, unnamed in stream.ignored.items()
        if key.lower() in _SETTINGS and unnamed.varies and FEWEST <= longest <= 2 * unnamed.count
    ]
    return f"results of a search over settings ({', '.join(tried)})" if len(tried) > 1 else ""


def _counts(streams: Iterable[_Stream]) -> dict[str, int]:
    """Return how many values every key has, understood or not."""
    counts: dict[str, int] = {}
    for stream in streams:
        for key, unnamed in stream.ignored.items():
            counts[key] = counts.get(key, 0) + unnamed.count
        for which, column in stream.columns.items():
            counts[which.key] = counts.get(which.key, 0) + column.count
    return counts


def _known(names: Mapping[_Key, Named], used: set[str]) -> dict[str, str]:
    """Return the meanings of the keys that came to use; one key can mean two things in two phases."""
    known: dict[str, list[str]] = {}
    for which, named in names.items():
        if which.key in used and str(named) not in known.setdefault(which.key, []):
            known[which.key].append(str(named))
    return {key: ", ".join(meanings) for key, meanings in known.items()}


def _labelled(runs: Sequence[TrainingLog], source: str, crash: str) -> Iterator[TrainingLog]:
    """Yield the runs under names of their own; what ended the log ended its last run."""
    shared = [run.name for run in runs]
    for i, run in enumerate(runs):
        name = run.name
        if len(runs) > 1 and (not name or shared.count(name) > 1):
            name = f"{name}, run {i + 1}" if name else f"run {i + 1}"
        yield replace(run, name=name, source=source, crash=crash if run is runs[-1] else "")


def _collect(records: Iterable[Record], given: Mapping[str, Named]) -> dict[tuple[str, str], _Stream]:
    streams: dict[tuple[str, str], _Stream] = {}
    for order, record in enumerate(records):
        which = (record.group, record.rank)
        stream = streams.get(which)
        if stream is None:
            if len(streams) >= _MOST_STREAMS:
                continue
            stream = streams[which] = _Stream(given)
        stream.add(record, order)
    return streams


def _longest(streams: Iterable[_Stream]) -> int:
    return max((column.count for stream in streams for column in stream.columns.values()), default=0)


def _base(ranks: Mapping[str, _Stream]) -> tuple[_Stream, Mapping[str, _Stream]]:
    """Return the stream that speaks for all ranks, and the others; what only those say is taken over."""
    best = max(ranks, key=lambda r: (ranks[r].records, r in {"", "0"}))
    for first in ("0", ""):
        if first in ranks and 2 * ranks[first].records >= ranks[best].records:
            best = first
            break
    stream = ranks[best]
    others = {rank: other for rank, other in ranks.items() if rank != best}
    for other in others.values():
        for which, column in other.columns.items():
            stream.columns.setdefault(which, column)
    return stream, others


# ---- what the keys mean, all of them together


class _Naming:
    """Settles what no key says alone: which loss is the total, whose a metric is, what ``test`` means."""

    def __init__(self, given: Mapping[str, Named], streams: Mapping[tuple[str, str], _Stream]) -> None:
        self._streams = streams
        self._names: dict[_Key, Named] = {}
        for stream in streams.values():
            for which in stream.columns:
                if which in self._names:
                    continue
                named = given.get(which.key) or canonical(which.key)
                if named is None:
                    continue
                if named.name in ABSOLUTE and not named.given:
                    named = replace(named, phase="val" if named.phase in {"val", "test"} else "")
                elif not named.phase:
                    named = replace(named, phase=which.phase)
                self._names[which] = named

    def resolve(self, of_file: Place, notes: list[str]) -> dict[_Key, Named]:
        """Return what every understood key means.

        Parameters
        ----------
        of_file
            Phase of the whole file where nothing in it says one.
        """
        if of_file and not any(named.phase for named in self._names.values()):
            for which, named in self._names.items():
                if named.name not in ABSOLUTE:
                    self._names[which] = replace(named, phase=of_file)
        self._drop_unnamed()
        self._choose_sets()
        self._choose_set_names()
        validated = any(named.phase == "val" and named.name in CURVES for named in self._names.values())
        self._place_unphased()
        self._settle_test(notes, validated=validated)
        self._stand_in()
        self._find_total()
        return self._names

    def _of(self, *names: str) -> list[tuple[_Key, Named]]:
        return [(which, named) for which, named in self._names.items() if named.name in names]

    def _drop_unnamed(self) -> None:
        """Take CatBoost's ``learn`` and ``test`` for a loss only where both are there and the first falls."""
        unnamed = [which for which, named in self._names.items() if named.kind == "unnamed"]
        falls = False
        for stream in self._streams.values():
            for which in unnamed:
                column = stream.columns.get(which)
                if which.key == "learn" and column is not None:
                    values = column.rows()[:, _VALUE]
                    falls |= bool(values[-1] < values[0])
        if not falls or {which.key for which in unnamed} != {"learn", "test"}:
            for which in unnamed:
                del self._names[which]

    def _choose_sets(self) -> None:
        """Of ``validation_0`` and ``validation_1`` the first is the training set, where none is named so."""
        sets = {named.dataset for named in self._names.values()} - {-1}
        if len(sets) < 2:  # noqa: PLR2004
            return
        order = sorted(sets)
        trained = order[0] > 0 or any(named.phase == "train" for named in self._names.values())
        for which, named in self._names.items():
            if named.dataset < 0:
                continue
            index = order.index(named.dataset) - (0 if trained else 1)
            if index < 0:
                self._names[which] = replace(named, phase="train")
            elif index:
                self._names[which] = replace(named, part=f"{named.part} set {named.dataset}".strip())

    def _choose_set_names(self) -> None:
        """Of several evaluation sets with a loss and metrics each, the first stands for the whole."""
        if self._of("loss"):
            return
        heads = list(dict.fromkeys(named.part for _, named in self._of("loss_component")))
        measured = {named.part for named in self._names.values() if named.name in SHARES and named.part}
        wholes = any(not named.part for named in self._names.values() if named.name in SHARES)
        if wholes or len(heads) < 2 or not set(heads) <= measured:  # noqa: PLR2004
            return
        for which, named in list(self._names.items()):
            if named.name == "loss_component":
                named = replace(named, name="loss")  # noqa: PLW2901
            if named.part in heads:
                self._names[which] = replace(named, part="" if named.part == heads[0] else named.part)

    def _place_unphased(self) -> None:
        losses = self._of("loss", "loss_component")
        stated = {named.phase for _, named in losses if named.phase}
        for which, named in losses:
            if not named.phase:
                self._names[which] = replace(named, phase="train")
        beside = {which for which, named in self._of("loss", "loss_component") if named.phase == "train"}
        validated = {
            (named.name, named.part)
            for named in self._names.values()
            if named.phase in {"val", "test"} and named.name in SHARES
        }
        for which, named in list(self._names.items()):
            if named.phase or named.name in ABSOLUTE or named.given:
                continue
            phase: Phase = ""
            if named.name in {"gradient_norm", "predicted_positive_share", "prevalence"}:
                continue
            if (named.name, named.part) in validated or named.name == "loss_mean":  # steps since the last row
                phase = "train"
            elif named.name == "average_precision" or which.key.lower().startswith("metrics/"):
                phase = "val"
            elif "train" in stated or not self._together(which, beside):
                phase = "val" if beside or not stated else "train"
            else:
                phase = "train"
            self._names[which] = replace(named, phase=phase)

    def _together(self, which: _Key, others: set[_Key]) -> bool:
        """Tell whether a key mostly stands in records that also state one of some other keys."""
        import numpy as np

        for stream in self._streams.values():
            column = stream.columns.get(which)
            if column is None:
                continue
            orders = column.rows()[:, _ORDER]
            for other in others:
                if other in stream.columns:
                    shared = np.isin(orders, stream.columns[other].rows()[:, _ORDER])
                    if 2 * int(shared.sum()) >= len(orders):
                        return True
        return False

    def _settle_test(self, notes: list[str], *, validated: bool) -> None:
        """Take test for validation, unless the log names a validation too."""
        tested = [which for which, named in self._names.items() if named.phase == "test"]
        if tested and validated:
            notes.append("the log has validation and test values: those of the test are left out")
        for which in tested:
            if validated:
                del self._names[which]
            else:
                self._names[which] = replace(self._names[which], phase="val")

    def _stand_in(self) -> None:
        """Let the log loss and the like be the loss only where there is no other."""
        better = any(named.order < STAND_IN for _, named in self._of("loss"))
        components = bool(self._of("loss_component"))
        for which, named in self._of("loss"):
            if named.order < STAND_IN or named.given:
                continue
            if named.kind == "bce" and better:
                self._names[which] = replace(named, name="bce", order=0)
            elif better or (components and named.order > STAND_IN + 1 and named.kind != "total"):
                del self._names[which]
        wholes = {(named.name, named.phase) for named in self._names.values() if not named.part}
        best = {
            (named.name, named.phase): min(
                other.order
                for other in self._names.values()
                if (other.name, other.phase) == (named.name, named.phase) and not other.part
            )
            for named in self._names.values()
            if (named.name, named.phase) in wholes
        }
        for which, named in list(self._names.items()):
            least = best.get((named.name, named.phase))
            if named.order >= STAND_IN and not named.part and least is not None and least < STAND_IN:
                del self._names[which]

    def _find_total(self) -> None:
        """Of several whole losses of a phase keep the total; a lone term stands for the whole."""
        for phase in ("train", "val"):
            wholes = [(w, n) for w, n in self._of("loss") if n.phase == phase and not n.part]
            least = min((n.order for _, n in wholes), default=0)
            kinds = {n.kind for _, n in wholes if n.kind}
            for which, named in wholes:
                if named.kind and not named.given and (named.order > least or len(kinds) > 1):
                    self._names[which] = replace(named, name="loss_component", part=named.kind)
            left = [n for _, n in self._of("loss") if n.phase == phase and not n.part]
            terms = [(w, n) for w, n in self._of("loss_component") if n.phase == phase]
            parts = {n.part for _, n in terms}
            elsewhere = {n.part for _, n in self._of("loss_component") if n.phase != phase}
            totals = any(n.phase != phase for _, n in self._of("loss"))
            if not left and len(parts) == 1 and not (totals and parts & elsewhere):
                for which, named in terms:
                    self._names[which] = replace(named, name="loss", part="")


# ---- runs


class _Piece(NamedTuple):
    """Consecutive records of one run: orders from `first` up to, not including, `stop`."""

    first: float
    stop: float


@dataclass
class _Places:
    """Where every record of a stream stands, by order: float64 [N] each."""

    order: Floats
    step: Floats
    epoch: Floats

    def cut(self, piece: _Piece) -> _Places:
        inside = (self.order >= piece.first) & (self.order < piece.stop)
        return _Places(self.order[inside], self.step[inside], self.epoch[inside])


def _places(columns: Iterable[_Column]) -> _Places:
    import numpy as np

    rows = np.concatenate([column.rows()[:, :_VALUE] for column in columns])
    _, first = np.unique(rows[:, _ORDER], return_index=True)
    rows = rows[first]
    return _Places(rows[:, _ORDER], rows[:, _STEP], rows[:, _EPOCH])


def _runs(
    stream: _Stream,
    others: Mapping[str, _Stream],
    names: Mapping[_Key, Named],
    parsed: Parsed,
    group: str,
) -> Iterator[TrainingLog]:
    """Yield the runs of one group, however short."""
    columns = {which: column for which, column in stream.columns.items() if which in names}
    if not columns:
        return
    places = _places(columns.values())
    pieces, jumbled = _pieces(stream.breaks, places)
    for joined in _joined(pieces, places, columns, names):
        whole = [piece for piece, _ in joined]
        axis, at = _positions(places, whole, inner=stream.inner > 0, jumbled=jumbled)
        notes = []
        hints = dict(parsed.hints)
        for piece, resumed in joined[1:]:
            if resumed is not None:
                begin = float(at[_first(places, piece)])
                hints["resumed_at"] = begin
                notes.append(
                    f"resumed at {axis} {begin:g}: what an earlier start logged beyond it is left out"
                )
        series = _all_series(columns, others, names, whole, (places, at))
        if not series:
            continue
        yield TrainingLog(
            series=tuple(series),
            axis=axis,
            name=group,
            format=parsed.format,
            hints=hints,
            notes=tuple(notes),
        )


def _first(places: _Places, piece: _Piece) -> int:
    import numpy as np

    return int(np.searchsorted(places.order, piece.first))


def _pieces(breaks: Sequence[int], places: _Places) -> tuple[list[_Piece], bool]:
    """Cut where the count falls back; the second tells counts that go back and forth all the time."""
    import numpy as np

    edges = [-math.inf, *map(float, breaks), math.inf]
    pieces = [_Piece(a, b) for a, b in pairwise(edges)]
    sizes = [len(places.cut(piece).order) for piece in pieces]
    if len(pieces) >= _MANY and (float(np.median(sizes)) <= _SCRAPS or _in_turns(pieces, places)):
        return [_Piece(-math.inf, math.inf)], True
    kept = [piece for piece, size in zip(pieces, sizes, strict=True) if size > _SCRAPS]
    return kept or [_Piece(-math.inf, math.inf)], not kept and len(pieces) > 1


def _in_turns(pieces: Sequence[_Piece], places: _Places) -> bool:
    """Tell a log whose ranks take turns: each piece begins well within the one before it, and ends later."""
    import numpy as np

    count = "step" if _counted(places.step) else "epoch"
    spans = []
    for piece in pieces:
        inside = getattr(places.cut(piece), count)
        inside = inside[np.isfinite(inside)]
        if len(inside):
            spans.append((float(inside[0]), float(inside[-1])))
    turns = [
        before[0] < after[0] < before[1] < after[1]
        and before[1] - after[0] >= _OVERLAP * (after[1] - after[0])
        for before, after in pairwise(spans)
    ]
    return len(turns) > 0 and float(np.mean(turns)) > _MOSTLY


def _joined(
    pieces: Sequence[_Piece],
    places: _Places,
    columns: Mapping[_Key, _Column],
    names: Mapping[_Key, Named],
) -> Iterator[list[tuple[_Piece, float | None]]]:
    """Yield the pieces of each run: one that goes on where a checkpoint was belongs to the run before it."""
    run: list[tuple[_Piece, float | None]] = []
    loss = max(
        (
            column
            for which, column in columns.items()
            if names[which].name == "loss" and names[which].phase == "train"
        ),
        key=lambda c: c.count,
        default=None,
    )
    for piece in pieces:
        resumed = _resumed(run[-1][0], piece, places, loss) if run else None
        if run and resumed is not None:
            # the overlapped tail of what came before is dropped
            shortened = []
            for before, at in run:
                inside = places.cut(before)
                count = inside.step if _counted(inside.step) else inside.epoch
                late = inside.order[count >= resumed]
                stop = min(before.stop, float(late[0])) if len(late) else before.stop
                if stop > before.first and stop > (inside.order[0] if len(inside.order) else -math.inf):
                    shortened.append((_Piece(before.first, stop), at))
            run = [*shortened, (piece, resumed)]
            continue
        if run:
            yield run
        run = [(piece, None)]
    if run:
        yield run


def _counted(count: Floats) -> bool:
    """Tell whether most records state this count, and it moves."""
    import numpy as np

    stated = count[np.isfinite(count)]
    return 2 * len(stated) >= len(count) and len(stated) > 0 and bool(stated.max() > stated.min())


def _resumed(before: _Piece, piece: _Piece, places: _Places, loss: _Column | None) -> float | None:
    """Return where a piece takes up the run of the piece before it; None if it is a run of its own."""
    import numpy as np

    old, new = places.cut(before), places.cut(piece)
    by_step = _counted(old.step) and len(new.step) > 0
    a, b = (old.step, new.step) if by_step else (old.epoch, new.epoch)
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if len(a) < FEWEST or not len(b):
        return None
    begin = float(b[0])
    distinct = np.unique(a)
    stride = float(np.median(np.diff(distinct))) if len(distinct) > 1 else 1.0
    own = np.diff(np.unique(b))
    later = max(stride, float(np.median(own)) if len(own) else 0.0) * (1 + _SLACK)
    if begin < a[0] + later or begin <= later or begin > a.max() + stride:
        return None  # it starts where a fresh run would
    if loss is None:
        return begin
    rows = loss.rows()
    counted = rows[:, _STEP] if by_step else rows[:, _EPOCH]
    inside = (rows[:, _ORDER] >= before.first) & (rows[:, _ORDER] < before.stop)
    after = rows[(rows[:, _ORDER] >= piece.first) & (rows[:, _ORDER] < piece.stop), _VALUE]
    early = rows[inside, _VALUE]
    near = rows[inside & (counted <= begin + stride) & (counted >= begin - 2 * stride), _VALUE]
    early, near, after = (x[np.isfinite(x)] for x in (early, near, after))
    if not len(near) or not len(early) or not len(after):
        return begin
    fresh = abs(float(after[0]) - float(early[0]))
    follows = abs(float(after[0]) - float(np.median(near)))
    return begin if follows <= fresh else None


def _positions(
    places: _Places, whole: Sequence[_Piece], *, inner: bool, jumbled: bool
) -> tuple[Axis, Floats]:
    """Return what the run counts and the count at each record; rows where neither step nor epoch will do."""
    import numpy as np

    inside = np.zeros(len(places.order), dtype=bool)
    for piece in whole:
        inside |= (places.order >= piece.first) & (places.order < piece.stop)
    at = np.full(len(places.order), np.nan)
    axis: Axis = "row"
    choices: list[tuple[Axis, Floats]] = [("step", places.step), ("epoch", places.epoch)]
    if inner and _counted(places.epoch[inside]):
        choices = choices[1:]
    for name, count in choices:
        if jumbled and bool(np.nanmax(np.diff(count[inside]), initial=0) <= 0):
            continue
        if _counted(count[inside]):
            stated = inside & np.isfinite(count)
            axis = name
            at[inside] = np.interp(places.order[inside], places.order[stated], count[stated])
            return axis, at
    at[inside] = np.arange(1, int(inside.sum()) + 1)
    return axis, at


def _all_series(
    columns: Mapping[_Key, _Column],
    others: Mapping[str, _Stream],
    names: Mapping[_Key, Named],
    whole: Sequence[_Piece],
    where: tuple[_Places, Floats],
) -> list[Series]:
    import numpy as np

    found: list[tuple[Named, _Key, Floats]] = []
    for which, column in columns.items():
        rows = column.rows()
        inside = np.zeros(len(rows), dtype=bool)
        for piece in whole:
            inside |= (rows[:, _ORDER] >= piece.first) & (rows[:, _ORDER] < piece.stop)
        if inside.any():
            found.append((names[which], which, rows[inside]))
    in_percent = _in_percent(found)
    longest: dict[tuple[str, str], int] = {}
    for named, _, rows in found:
        family = (named.name, named.phase)
        longest[family] = max(longest.get(family, 0), len(rows))
    made: list[tuple[int, Series]] = []
    for named, which, rows in found:
        if len(rows) == 1 and not named.part and longest[named.name, named.phase] >= FEWEST:
            continue  # a summary at the end of the run
        values = _scaled(rows[:, _VALUE], named, percent=which in in_percent)
        if values is None:
            continue
        one = _series(which.key, named, values, rows, where)
        made.append((named.order, one))
        if named.name == "loss" and not named.part:
            made += [(named.order, s) for s in _of_ranks(which, one, others, where)]
    return [s for _, s in sorted(made, key=lambda item: item[0])]


def _series(
    key: str, named: Named, values: Floats, rows: Floats, where: tuple[_Places, Floats], part: str = ""
) -> Series:
    import numpy as np

    places, at = where
    index = np.clip(np.searchsorted(places.order, rows[:, _ORDER]), 0, len(at) - 1)
    steps, lines, orders = at[index], rows[:, _LINE].astype(np.int64), rows[:, _ORDER].astype(np.int64)
    if np.any(np.diff(steps) < 0):  # ranks took turns in writing: the same value comes twice
        ranked = np.argsort(steps, kind="stable")
        steps, values, lines = steps[ranked], values[ranked], lines[ranked]
        fresh = np.ones(len(steps), dtype=bool)
        fresh[1:] = (np.diff(steps) > 0) | (values[1:] != values[:-1])
        steps, values, lines, orders = steps[fresh], values[fresh], lines[fresh], orders[: fresh.sum()]
    return Series(
        key=key,
        name=named.name,
        phase=_phase(named),
        part=part or named.part,
        steps=steps,
        values=values,
        order=orders,
        lines=lines,
    )


def _phase(named: Named) -> Phase:
    return "train" if named.phase == "train" else "val" if named.phase in {"val", "test"} else ""


def _of_ranks(
    which: _Key, first: Series, others: Mapping[str, _Stream], where: tuple[_Places, Floats]
) -> Iterator[Series]:
    """Yield the loss of each other rank, where it differs from the first one's."""
    import numpy as np

    for rank, stream in list(others.items())[:_MOST_RANKS]:
        column = stream.columns.get(which)
        rows = column.rows() if column is not None else None
        if rows is None or not len(rows) or rows[0, _ORDER] == first.order[0]:
            continue
        inside = (rows[:, _ORDER] >= first.order[0] - _SCRAPS) & (
            rows[:, _ORDER] <= first.order[-1] + len(others) + 1
        )
        rows = rows[inside]
        shared = min(len(rows), len(first))
        if not shared or np.allclose(rows[:shared, _VALUE], first.values[:shared], equal_nan=True):
            continue
        named = Named(name="loss", phase=first.phase)
        yield _series(which.key, named, rows[:, _VALUE], rows, where, part=f"rank {rank}")


def _in_percent(found: Sequence[tuple[Named, _Key, Floats]]) -> set[_Key]:
    """Return the keys whose values are percent; the classes of one metric are decided together."""
    import numpy as np

    largest: dict[object, float] = {}
    smallest: dict[object, float] = {}

    def family(named: Named, which: _Key) -> object:
        return (named.name, named.phase) if named.part else which

    for named, which, rows in found:
        if named.name not in SHARES:
            continue
        values = rows[np.isfinite(rows[:, _VALUE]), _VALUE]
        if len(values):
            group = family(named, which)
            largest[group] = max(largest.get(group, -math.inf), float(values.max()))
            smallest[group] = min(smallest.get(group, math.inf), float(values.min()))
    return {
        which
        for named, which, _ in found
        if (group := family(named, which)) in largest
        and _LARGEST_SHARE < largest[group] <= _LARGEST_PERCENT
        and (smallest[group] >= 0 or smallest[group] == _ABSENT)
    }


def _scaled(values: Floats, named: Named, *, percent: bool) -> Floats | None:
    """Return shares as shares, errors as accuracies; None where a share cannot be one."""
    import numpy as np

    if named.name not in SHARES:
        return values
    values = np.where(values == _ABSENT, np.nan, values)
    finite = values[np.isfinite(values)]
    if not len(finite) and len(values) and not np.isnan(values).all():
        return values
    if len(finite) and not percent and float(np.median(np.minimum(np.abs(finite), 2))) > _LARGEST_SHARE:
        return None
    if percent:
        values = values / 100
    return 1 - values if named.complement else values
