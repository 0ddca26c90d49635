"""TensorBoard event files: one, the folder of a run, or a folder of runs.

A file is a row of ``length, checksum, Event, checksum``; an event holds a step and values by tag. Scalars
are plain numbers (written by PyTorch and TensorFlow 1) or tensors with one element (TensorFlow 2, Keras). A
file is complete at any moment except for its last record, so that a cut at the end is no error.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Phase
from imbalance_doctor.sources.logs import _wire
from imbalance_doctor.sources.logs._curves import MOST_POINTS, MOST_TAGS, Curves, or_instead
from imbalance_doctor.sources.logs._folders import find_files, need_path, opening
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed

_FIRST_EVENT = b"\x1a\x0dbrain.Event:"
_HEADER = struct.Struct("<QI")
_CHECKSUM = 4
_LARGEST_EVENT = 4 * 2**20  # larger ones hold graphs, images and embeddings
_LONGEST_TAG = 500
_DEPTH = 4
_MOST_FILES = 2_000
_FEWEST_POINTS = 20_000  # of one folder
_SOME_TIME = 1e6  # seconds; less is no time of day
_PLUGIN = "scalars"
_PHASES: dict[str, Phase] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "dev"), "val"),
}
_TESTS = frozenset(("test", "testing"))

# numbers of fields in Event, Summary, Summary.Value, SummaryMetadata, TensorProto and TensorShapeProto
_TIME, _STEP, _SUMMARY = 1, 2, 5
_VALUE = 1
_TAG, _SIMPLE, _TENSOR, _METADATA = 1, 2, 8, 9
_PLUGIN_DATA, _PLUGIN_NAME = 1, 1
_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
_INTEGER_VALUES = (7, 10, 11, 16, 17)
_DIMENSION, _SIZE = 2, 1
_BFLOAT16 = 14
_HALVES = frozenset((_BFLOAT16, 19))
_STORED = {1: (5,), 2: (6,), _BFLOAT16: (13,), 19: (13,)}  # fields for numbers that are no integers
_LAYOUTS = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 9, 10, 17, 19, 22, 23),
        ("<f", "<d", "<i", "<B", "<h", "<b", "<q", "<?", "<H", "<e", "<I", "<Q"),
        strict=True,
    )
)
_HYPERPARAMETERS = b"_hparams_/"
# nearly all events hold a time, a step and one number, with lengths of one byte; to read them field by field
# takes twice as long
_PLAIN_EVENT = re.compile(
    rb"\x09(.{8})(?:\x10([\x80-\xff]{0,9}[\x00-\x7f]))?"
    rb"\x2a([\x00-\x7f])\x0a([\x00-\x7f])\x0a([\x00-\x7f])(.+)\x15(.{4})",
    re.DOTALL,
).fullmatch


class Tensorboard(LogReader):
    """TensorBoard event files."""

    title = "TensorBoard event files"
    rank = 20

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the first event, or by the names in a folder."""
        if file.is_folder:
            assert file.path is not None  # noqa: S101 - a folder has a path
            return bool(find_files(file.path, _is_event_file, depth=_DEPTH, most=1))
        return _FIRST_EVENT in file.head[:64]

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004 - keys are renamed elsewhere
        """Read the scalars of one file, of a run's files together, or of several runs.

        Raises
        ------
        InputError
            The file cannot be opened, or holds no complete record.
        """
        path = need_path(file, Tensorboard.title)
        parsed = Parsed(format=Tensorboard.title, records=())
        if file.is_folder:
            paths = find_files(path, _is_event_file, depth=_DEPTH, most=_MOST_FILES)
            if len(paths) == _MOST_FILES:
                parsed.notes.append(f"read only the first {_MOST_FILES:,} event files")
            root = path
        else:
            paths, root = [path], path.parent
        runs = _gather(paths, root, file, parsed)
        single = len(runs) == 1
        records = (
            record
            for name, curves in runs.items()
            for record in curves.records("" if single else name or path.name)
        )
        parsed.records = or_instead(records, parsed, "TensorBoard event files without scalars")
        left_out = sum(curves.left_out for curves in runs.values())
        if left_out:
            parsed.notes.append(
                f"more than {MOST_TAGS:,} tags: {left_out:,} values of the others were left out"
            )
        return parsed


def _is_event_file(name: str) -> bool:
    return "tfevents" in name and not name.endswith((".profile-empty", ".gz"))


def _gather(paths: list[Path], root: Path, file: LogFile, parsed: Parsed) -> dict[str, Curves]:
    """Read every file into the curves of the run it belongs to."""
    runs: dict[str, Curves] = {}
    complete = False
    folders = sorted({path.parent for path in paths})
    for folder in folders:
        most = max(_FEWEST_POINTS, MOST_POINTS // len(folders))
        files = [_Events(path, Curves(most=most)) for path in sorted(p for p in paths if p.parent == folder)]
        for events in files:
            events.read()
            complete |= events.complete
            if events.damage:
                parsed.notes.append(f"{events.path.name}: {events.damage}")
        found = _one_process([f for f in files if f.curves.tags()], parsed)
        # `add_hparams` leaves a folder with one point per metric for each set of hyperparameters
        if not found.tags() or (found.longest() == 1 and any(f.hyperparameters for f in files)):
            continue
        place = folder.relative_to(root).parts
        if not file.is_folder and folder.name.lower() in _PHASES:
            place = (folder.name,)
        role = _role(place, found.tags())
        run = runs.setdefault(role.run, Curves(_counts_epochs))
        run.take(found, role.rename, role.phase)
    if not complete:
        raise InputError(
            "expected TensorBoard events, but got no complete record",
            where=file.name,
            hint="the file is truncated or damaged",
        )
    return runs


def _one_process(files: list[_Events], parsed: Parsed) -> Curves:
    """Join the files of a run that was taken up again; of files written side by side keep the longest.

    Every worker of a distributed run may have its own writer. Read as one, their steps would jump back and
    forth.
    """
    kept: list[_Events] = []
    for events in sorted(files, key=lambda f: f.began):
        tags = events.curves.tags()
        before = kept[-1] if kept else None
        if (
            before is None
            or not _SOME_TIME < events.began < before.order
            or 2 * len(tags & before.curves.tags()) < len(tags)
        ):
            kept.append(events)
        elif events.curves.longest() > before.curves.longest():
            kept[-1] = events
    if len(kept) < len(files):
        parsed.notes.append(
            f"{len(files)} event files were written at the same time, as by the workers of one run; "
            f"read {kept[-1].path.name}"
        )
    found = kept[0].curves if kept else Curves()
    for events in kept[1:]:
        found.take(events.curves)
    return found


def _counts_epochs(tag: str) -> bool:
    """Tell Keras's per-epoch tags, ``epoch_loss``: their step is the epoch."""
    return tag.removeprefix("test/").startswith("epoch_")


@dataclass(frozen=True)
class _Role:
    """What a folder of event files is within the whole: whose run, which phase, part of which tag."""

    run: str
    phase: Phase = ""
    prefix: str = ""
    suffix: str = ""

    def rename(self, tag: str) -> str:
        return f"{self.prefix}{tag}{self.suffix}"


def _role(place: tuple[str, ...], tags: set[str]) -> _Role:
    if not place:
        return _Role("")
    if len(tags) == 1:
        # `add_scalars` makes a folder for each curve of a plot: `tag/part` or `tag_part`
        (tag,) = tags
        depth = tag.count("/") + 1
        if place[-depth - 1 : -1] == tuple(tag.split("/")):
            return _Role("/".join(place[: -depth - 1]), suffix=f"/{place[-1]}")
        flat = tag.replace("/", "_") + "_"
        if place[-1].startswith(flat) and len(place[-1]) > len(flat):
            return _Role("/".join(place[:-1]), suffix=f"/{place[-1][len(flat) :]}")
    name, run = place[-1].lower(), "/".join(place[:-1])
    if name in _PHASES:
        # a run may be called "train" and log both phases
        phase = _PHASES[name]
        mixed = any(word in _PHASES for tag in tags for word in re.split(r"[^a-z]+", tag.lower()))
        return _Role(run, "" if mixed else phase)
    if name in _TESTS:
        return _Role(run, prefix="test/")
    return _Role("/".join(place))


class _Events:
    """Reads the scalars of one file into curves.

    Attributes
    ----------
    complete
        Whether there was at least one whole record.
    hyperparameters
        Whether the file states a set of hyperparameters.
    damage
        What kept the rest from being read.
    began, order
        When the first scalar and the newest event were written.
    """

    def __init__(self, path: Path, curves: Curves) -> None:
        self.path = path
        self.curves = curves
        self.complete = False
        self.hyperparameters = False
        self.damage = ""
        self.began = math.inf
        self.order = -math.inf
        self._plugins: dict[str, str] = {}

    def read(self) -> None:
        """Read to the end, or to the first record that makes no sense."""
        with opening(self.path), self.path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            try:
                for event in self._payloads(stream, size):
                    self._event(event)
                    self.complete = True
            except _wire.MalformedMessageError:
                self.damage = f"damaged at byte {stream.tell():,} of {size:,}; what follows was not read"

    def _payloads(self, stream: BinaryIO, size: int) -> Iterator[bytes]:
        position = 0
        while position + _HEADER.size <= size:
            stream.seek(position)
            header = stream.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return
            length = _HEADER.unpack(header)[0]
            end = position + _HEADER.size + length + _CHECKSUM
            if end > size:
                # the last record of a run that was stopped; far off, a length that is none
                if length > _LARGEST_EVENT:
                    raise _wire.MalformedMessageError("a length past the end")
                return
            if length <= _LARGEST_EVENT:
                yield stream.read(length)
            position = end

    def _event(self, data: bytes) -> None:
        plain = _PLAIN_EVENT(data)
        if plain is None or not self._plain_event(plain):
            self._any_event(data)

    def _plain_event(self, event: re.Match[bytes]) -> bool:
        """Take in an event with one plain scalar; tell whether it is one."""
        time, step, size, value_size, tag_size, tag, value = event.groups()
        if not (tag_size[0] == len(tag) == value_size[0] - 7 == size[0] - 9) or tag.startswith(
            _HYPERPARAMETERS
        ):
            return False
        self._advance(struct.unpack("<d", time)[0])
        number = _wire.signed(next(_wire.varints(step))) if step else 0
        self._add(tag.decode("utf-8", "replace"), struct.unpack("<f", value)[0], number)
        return True

    def _any_event(self, data: bytes) -> None:
        time, step, summaries = 0.0, 0, []
        for number, value in _wire.fields(data):
            if number == _TIME and isinstance(value, bytes) and len(value) == 8:  # noqa: PLR2004 - a double
                time = struct.unpack("<d", value)[0]
            elif number == _STEP and isinstance(value, int):
                step = _wire.signed(value)
            elif number == _SUMMARY and isinstance(value, bytes):
                summaries.append(value)
        self._advance(time)
        for summary in summaries:
            for number, value in _wire.fields(summary):
                if number == _VALUE and isinstance(value, bytes):
                    self._value(value, step)

    def _value(self, data: bytes, step: int) -> None:
        tag, simple, tensor, metadata = "", None, None, None
        for number, value in _wire.fields(data):
            if number == _TAG:
                tag = _wire.text(value)[:_LONGEST_TAG]
            elif number == _SIMPLE and isinstance(value, bytes) and len(value) == 4:  # noqa: PLR2004 - a float
                simple = float(struct.unpack("<f", value)[0])
            elif number == _TENSOR and isinstance(value, bytes):
                tensor = value
            elif number == _METADATA and isinstance(value, bytes):
                metadata = value
        if tag.startswith(_HYPERPARAMETERS.decode()):
            self.hyperparameters = True
            return
        if metadata is not None and len(self._plugins) < MOST_TAGS:
            # only a tag's first event has to say what it is
            self._plugins[tag] = _plugin(metadata)
        if simple is None and tensor is not None and self._plugins.get(tag, _PLUGIN) in {_PLUGIN, ""}:
            simple = _scalar(tensor)
        if tag and simple is not None:
            self._add(tag, simple, step)

    def _advance(self, time: float) -> None:
        # clocks are set back at times, and some writers leave the time out
        self.order = time if self.order < time < math.inf else max(self.order, 0.0) + 1e-6

    def _add(self, tag: str, value: float, step: int) -> None:
        self.curves.add(tag, value, step=float(step), order=self.order)
        if self.began == math.inf:
            self.began = self.order


def _plugin(metadata: bytes) -> str:
    for number, value in _wire.fields(metadata):
        if number == _PLUGIN_DATA and isinstance(value, bytes):
            for inner, name in _wire.fields(value):
                if inner == _PLUGIN_NAME:
                    return _wire.text(name)
    return ""


def _scalar(tensor: bytes) -> float | None:
    """Return the value of a tensor with one number; None for any other."""
    parts = dict(_wire.fields(tensor))
    kind, shape, content = parts.get(_DTYPE), parts.get(_SHAPE, b""), parts.get(_CONTENT)
    if not isinstance(kind, int) or (kind not in _LAYOUTS and kind != _BFLOAT16):
        return None
    if not isinstance(shape, bytes) or any(size != 1 for size in _sizes(shape)):
        return None
    if not isinstance(content, bytes) or not content:
        stored = next((parts[n] for n in _STORED.get(kind, _INTEGER_VALUES) if n in parts), None)
        if stored is None:
            return 0.0  # a default value is not written out
        if kind in _STORED and kind not in _HALVES:
            content = stored if isinstance(stored, bytes) else b""
        elif kind in _HALVES:
            content = struct.pack("<H", _first_integer(stored) & 0xFFFF)
        else:
            return float(_wire.signed(_first_integer(stored)))
    if kind == _BFLOAT16:
        content = b"\0\0" + content
    return _unpack(_LAYOUTS.get(kind, "<f"), content)


def _sizes(shape: bytes) -> Iterator[int]:
    for number, value in _wire.fields(shape):
        if number == _DIMENSION and isinstance(value, bytes):
            yield next((v for n, v in _wire.fields(value) if n == _SIZE and isinstance(v, int)), 0)


def _first_integer(value: int | bytes) -> int:
    return value if isinstance(value, int) else next(_wire.varints(value), 0)


def _unpack(layout: str, content: bytes) -> float | None:
    if len(content) != struct.calcsize(layout):
        return None
    return float(struct.unpack(layout, content)[0])
