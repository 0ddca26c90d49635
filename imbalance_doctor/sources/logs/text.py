"""Plain text of any dialect: consoles, redirected output, hand-written logs.

A line is read once with care (`_text_grammar`); what was learnt, which number stands under which key, is kept
under the line's skeleton, the line without digits and blanks, and the next line with that skeleton costs one
look-up and the conversion of its numbers.
"""

from __future__ import annotations

import codecs
import itertools
import re
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Phase
from imbalance_doctor.sources.logs import _text_grammar as grammar
from imbalance_doctor.sources.logs._decode import CUT, cut_short, encoding_of, older_encoding
from imbalance_doctor.sources.logs._text_hints import ClassCounts, find_crash, find_hints
from imbalance_doctor.sources.logs._text_table import Row, Table, is_numeric_row, read_header, unfinished
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record, Template

__all__ = ["Text", "TextFollower"]

FULL = 20_000
"""Records of one shape of line after which only every second one is read, then every fourth, ..."""

_CHUNK = 1 << 18
_LONGEST_LINE = 1 << 22
_MOST_SHAPES = 20_000
_MOST_TEMPLATES = 300
_LONGEST_SAMPLE = 300
_LONGEST_PATTERN_LINE = 2_000
_DECIMAL_COMMA = re.compile(r"^([+-]?(?:0|\d+(?=,(?:\d{1,2}|\d{4,})$))),(\d+)$")  # no thousands
_SLOW_PATTERN = 1.0  # seconds one pattern may take on one line
_STEP_REACH = 200  # lines for which a stated step goes on to hold
_FEW_BARS = 3
_MOST_REDRAWS = 400
_MOST_EARLY = 5_000
_MOST_HISTORIES = 64
_MOST_TURNS = 100
_FULL_PER_TURN = 4_000
_SURVIVED = 3  # records after an exception that show the run went on

# what differs between lines of one shape: digits, signs, padding and how full a bar is
_DROP = b"0123456789.+-eE #\t" + "█▏▎▍▌▋▊▉━╸╺─".encode()
_TOKEN = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_IN_NUMBER = re.compile(r"\.?(?:[eE][-+]?)?")
_BLANK_OR_END = re.compile(r"\s|\Z")
_BAR_COUNT = re.compile(rb"%\|[^|]{0,400}\|\s*([\d.]+)[kMG]?/([\d.]+)")
_STEP_BAR = re.compile(
    rb"^[^\w\[]{0,40}(?:\x1b?\[[0-9;]*m|\s){0,40}(\d{1,18})/(\d{1,18})(?:\x1b?\[[0-9;]*m|\s){0,20}"
    rb"(?:\[[=>.\s-]|[^\x00-\x7f]|\x1b|=|\[\d+m)"
)
_HAS_DIGIT = re.compile(r"\d|nan|inf|n/a", re.IGNORECASE)
_LETTERS = re.compile(rb"[a-zA-Z\x80-\xff]")
_NESTED_REPEAT = re.compile(r"\((?:[^()\\]|\\.)*[+*](?:[^()\\]|\\.)*\)[+*{]")
_PLACE_GROUPS = {"epoch": "epoch", "step": "step", "iter": "step", "iteration": "step", "global_step": "step"}
_PHASE_WORDS: dict[str, Phase] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "eval": "val", "evaluation": "val", "dev": "val", "test": "val",
}  # fmt: skip


class Text(LogReader):
    """Plain text: the reader for whatever no other reader takes."""

    title = "a text log"
    rank = 1000

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Take any text that holds a digit."""
        return not file.is_folder and _HAS_DIGIT.search(file.text) is not None

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:
        """Read the lines one after the other.

        Raises
        ------
        InputError
            A pattern is no regular expression, or takes too long on a line.
        """
        follower = TextFollower(options)
        parsed = Parsed(format="text", records=())
        parsed.records = _records(file, follower, parsed)
        return parsed


def _records(file: LogFile, follower: TextFollower, parsed: Parsed) -> Iterator[Record]:
    if file.path is None:
        yield from follower.feed(file.head)
    else:
        try:
            with file.open() as stream:
                while chunk := stream.read(_CHUNK):
                    yield from follower.feed(chunk)
        except OSError as error:
            reason = (error.strerror or "an error").lower()
            raise InputError(f"expected a readable log, but got: {reason}", where=file.name) from error
    yield from follower.close()
    parsed.templates = follower.templates()
    parsed.hints = follower.hints
    parsed.crash = follower.crash
    parsed.unread = follower.unread
    parsed.notes += [CUT] if follower.cut else []


@dataclass(slots=True)
class _Layout:
    """Where the numbers of one line shape stand, as ordinals among all its numbers.

    `slots` holds key, how to read it, first and last ordinal.
    """

    keys: tuple[str, ...]
    slots: list[tuple[str, grammar.How, int, int]]
    epoch: int = -1
    epochs: int = -1
    step: int = -1
    steps: int = -1
    group: int = -1
    group_word: str = ""
    rank: int = -1
    rank_word: str = ""
    phase: Phase = ""
    inner: bool = False
    absolute: bool = False
    val: bool = False
    header: bool = False

    def values(self, tokens: list[str]) -> dict[str, float]:
        out = {}
        for key, how, first, last in self.slots:
            if how == "number":
                out[key] = float(tokens[first])
            elif how == "percent":
                out[key] = float(tokens[first]) / 100
            elif how == "missing":
                out[key] = float("nan")
            elif how == "fixed":
                out[key] = float("".join(tokens[first : last + 1]))
            else:
                total = float(tokens[last])
                out[key] = float(tokens[first]) / total if total else float("nan")
        return out


@dataclass(slots=True, eq=False)
class _Shape:
    """All lines of one skeleton.

    Attributes
    ----------
    layouts
        By the numbers that belong to names: ``Class 1 recall`` and ``Class 2 recall`` share a skeleton.
    literals
        Ordinals of those numbers.
    names
        What finds a layout's names in a line, by the same numbers: a regular expression.
    check
        Tells whether a line has the names of a known layout; None where names hold no digits.
    wait
        Lines still to be skipped.
    """

    tokens: int = 0
    layouts: dict[tuple[str, ...], _Layout] = field(default_factory=dict)
    literals: tuple[int, ...] = ()
    names: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    check: Callable[[bytes], object] | None = None
    bar: bool = False
    silent: bool = False
    numeric: bool = False
    val: bool = False
    count: int = 0
    read: int = 0
    every: int = 1
    wait: int = 0
    held: deque[tuple[bytes, int]] = field(default_factory=lambda: deque(maxlen=1))

    def join(self, other: _Shape) -> None:
        """Take over the layouts of lines with the same skeleton under other names."""
        self.layouts |= other.layouts
        self.names |= other.names
        self.val |= other.val
        self.wait = 0
        self.make_check()

    def make_check(self) -> None:
        names = [name for name in self.names.values() if name]
        self.check = re.compile(b"|".join(names[:_MOST_TURNS]), re.DOTALL).search if names else None


@dataclass(slots=True)
class _Bar:
    """The newest redraw of a progress bar."""

    shape: _Shape
    line: bytes
    number: int
    at: float
    total: float
    steps: bool
    redraws: list[tuple[bytes, int, float]] = field(default_factory=list)
    every: int = 1
    seen: int = 0


@dataclass(slots=True)
class _Seen:
    """A template in the making."""

    sample: str
    count: int


class TextFollower:
    r"""Turns bytes of a text log into records as its lines are completed.

    Attributes
    ----------
    hints, crash, unread
        As in `base.Parsed`, up to the line read last.
    cut
        Whether the log ends within a number, which was left out.

    Examples
    --------
    >>> follower = TextFollower(Options())
    >>> follower.feed(b"epoch 1 loss=0.5\nepoch 2 lo")[0].values
    {'loss': 0.5}
    >>> [r.epoch for r in follower.feed(b"ss=0.4\n")]
    [2.0]
    """

    def __init__(self, options: Options) -> None:
        self.hints: dict[str, float] = {}
        self.crash = ""
        self.unread = 0
        self.cut = False
        self._patterns = [_compile(pattern) for pattern in options.patterns]
        self._decoder: codecs.IncrementalDecoder | None = None
        self._started = False
        self._tail = b""
        self._number = 0
        self._known: dict[bytes, _Shape] = {}
        self._templates: dict[tuple[Phase, tuple[str, ...]], _Seen] = {}
        self._out: list[Record] = []
        self._table: Table | None = None
        self._row: Row | None = None
        self._above = ""
        self._counts = ClassCounts()
        # where the log stands
        self._epoch: float | None = None
        self._step: float | None = None
        self._step_line = 0
        self._group = ""
        self._section: Phase = ""
        self._inner_epoch: float | None = None
        self._inner_last = 0.0
        self._stride = 0.0
        self._base = 0.0
        self._per_epoch: float | None = None
        # progress bars
        self._bar: _Bar | None = None
        self._bars = 0
        self._early: list[Record] | None = None
        self._drawn: list[tuple[int, list[Record]]] = []
        self._drawn_steps = 0.0
        self._lists: dict[str, list[float]] | None = {}
        self._list_lines: list[Record] = []
        self._seen_keys: set[str] = set()
        self._since_crash = 0

    def feed(self, data: bytes) -> list[Record]:
        """Take the next bytes; return the records of the lines they complete."""
        data = self._tail + self._decoded(data)
        self._tail = b""
        late = b""
        if data.endswith(b"\r"):
            data, late = data[:-1], b"\r"
        if b"\r\n" in data:
            data = data.replace(b"\r\n", b"\n")
        lines = data.split(b"\n")
        self._tail = lines.pop() + late
        if len(self._tail) > _LONGEST_LINE:
            head, separator, rest = self._tail.rpartition(b"\r")
            lines.append(head if separator else self._tail[:_LONGEST_LINE])
            self._tail = rest if separator else b""
        self._read(lines, redraws=b"\r" in data or b"\x08" in data)
        return self._taken()

    def close(self) -> list[Record]:
        """Take the last line, complete or not; return the records still held back."""
        if self._tail.strip():
            self._read([self._whole(self._tail)], redraws=True)
            self._tail = b""
        held = [(number, line, shape) for shape in self._known.values() for line, number in shape.held]
        for number, line, shape in sorted(held, key=lambda item: item[0]):
            shape.wait = 0
            shape.count -= 1
            shape.held.clear()
            self._known_line(shape, line, number)
        self._flush_bar()
        self._release(expand=True)
        self._close_lists()
        self.hints = self._counts.hints() | self.hints
        return self._taken()

    def templates(self) -> list[Template]:
        """Return the shapes of lines that were understood, most frequent first."""
        skipped: dict[tuple[Phase, tuple[str, ...]], int] = {}
        for shape in self._known.values():
            if shape.count and shape.layouts:
                layout = next(iter(shape.layouts.values()))
                which = (layout.phase, layout.keys)
                skipped[which] = skipped.get(which, 0) + shape.count
        found = [
            Template(sample=seen.sample, count=seen.count + skipped.get(which, 0), keys=which[1])
            for which, seen in self._templates.items()
        ]
        return sorted(found, key=lambda t: -t.count)

    def _whole(self, line: bytes) -> bytes:
        """Return a last line that has no end, without its last number where that is cut.

        Whether it is shows in a line before it that begins alike.
        """
        text = grammar.strip_colours(_text(line))
        numbers = list(_TOKEN.finditer(text))
        if not numbers or not _IN_NUMBER.fullmatch(text, numbers[-1].end()):
            return line
        begin = numbers[-1].start()
        beginning = _skeleton(text[:begin].lstrip())
        for seen in self._templates.values():
            same = list(itertools.islice(_TOKEN.finditer(seen.sample), len(numbers)))
            if len(same) == len(numbers) and _skeleton(seen.sample[: same[-1].start()]) == beginning:
                goes_on = not _BLANK_OR_END.match(seen.sample, same[-1].end())
                self.cut = goes_on or cut_short(text[begin:], same[-1][0])
                break
        return text[:begin].encode() if self.cut else line

    def _taken(self) -> list[Record]:
        out, self._out = self._out, []
        return out

    def _decoded(self, data: bytes) -> bytes:
        """Return the data as UTF-8 or whatever else keeps ASCII as it is."""
        if not self._started and data:
            self._started = True
            encoding = _wide_encoding(data) or _older(data)
            if encoding:
                self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
            elif data.startswith(codecs.BOM_UTF8):
                data = data[3:]
        if self._decoder is None:
            return data
        return self._decoder.decode(data).removeprefix("\ufeff").encode("utf-8", errors="replace")

    def _read(self, lines: list[bytes], *, redraws: bool) -> None:  # noqa: C901
        if not lines:
            return
        number = self._number
        skipped: _Shape | None = None
        skeletons = b"\n".join(lines).translate(None, _DROP).split(b"\n")  # all at once is faster
        for line, skeleton in zip(lines, skeletons, strict=True):
            number += 1
            if redraws and (b"\r" in line or b"\x08" in line):
                self._redrawn(line, number)
                continue
            shape = self._known.get(skeleton)
            if shape is not None:
                if shape.wait and (shape.check is None or shape.check(line)):
                    shape.wait -= 1
                    shape.count += 1
                    shape.held.append((line, number))
                    skipped = shape
                    continue
                if shape.silent:
                    if shape.numeric:
                        self.unread += 1
                    continue
            if skipped is not None:
                if skipped is not shape:
                    self._catch_up(skipped)
                skipped = None
            if shape is None:
                self._new_line(line, number)
            else:
                self._known_line(shape, line, number)
        if skipped is not None:
            self._catch_up(skipped)
        self._number = number

    def _redrawn(self, line: bytes, number: int) -> None:
        parts = line.replace(b"\x08", b"\r").split(b"\r")
        if self._bars >= _FEW_BARS and len(parts) > _FEW_BARS and b"%|" in line:
            parts = _last_of_runs(parts)
        for part in parts:
            if not part or part.isspace():
                continue
            shape = self._known.get(part.translate(None, _DROP))
            if shape is None:
                self._new_line(part, number)
            elif shape.silent:
                continue
            else:
                self._known_line(shape, part, number)

    def _known_line(self, shape: _Shape, line: bytes, number: int) -> None:
        if shape.bar and self._draw(shape, line, number):
            return
        self._flush_bar()
        self._extract(shape, line, number)

    def _extract(self, shape: _Shape, line: bytes, number: int, at: float | None = None) -> None:
        text = _text(line)
        tokens = _TOKEN.findall(text)
        layout = None
        if len(tokens) == shape.tokens:
            layout = shape.layouts.get(tuple([tokens[i] for i in shape.literals]))
        if layout is None:
            self._learn(line, text, number)
            return
        shape.held.clear()
        shape.read += 1
        if shape.read > FULL and not shape.val and not layout.header:
            self._thin(shape)
        self._emit(layout, tokens, text, number, at)

    def _thin(self, shape: _Shape) -> None:
        """Let lines go by unread: one in two, then one in four, ...

        Lines that take turns (one per class) are read and skipped in whole rounds.
        """
        turns = len(shape.layouts)
        full = max(FULL, _FULL_PER_TURN * turns)
        if turns > _MOST_TURNS or shape.read <= full or shape.read % turns:
            return
        if shape.read > full * (shape.every.bit_length() + 1):
            shape.every *= 2
        shape.wait = (2 * shape.every - 1) * turns
        if shape.held.maxlen != turns:
            shape.held = deque(maxlen=turns)

    def _catch_up(self, shape: _Shape) -> None:
        """Let the newest skipped line say where the log stands."""
        if not shape.held:
            return
        line, number = shape.held[-1]
        tokens = _TOKEN.findall(_text(line))
        layout = next(iter(shape.layouts.values()))
        if len(tokens) == shape.tokens:
            self._position(layout, tokens, number)

    def _emit(
        self, layout: _Layout, tokens: list[str], text: str, number: int, at: float | None = None
    ) -> None:
        if layout.group_word:
            group = f"{layout.group_word} {int(float(tokens[layout.group]))}"
            if group != self._group:
                self._group = group
                self._enter(None)
        epoch, step = self._position(layout, tokens, number)
        if not layout.slots:
            return
        phase = layout.phase
        if not phase and self._section and layout.epoch < 0 and layout.step < 0:
            phase = self._section
        rank = tokens[layout.rank] if layout.rank >= 0 else layout.rank_word
        if at is not None:
            step = at
        record = Record(
            values=layout.values(tokens),
            line=number,
            step=step,
            epoch=epoch,
            phase=phase,
            group=self._group,
            rank=rank,
        )
        self._count(layout.phase, layout.keys, text)
        self._add(record)

    def _add(self, record: Record) -> None:
        self._seen_keys.update(record.values)
        if self.crash:
            self._since_crash += 1
            if self._since_crash >= _SURVIVED:
                self.crash = ""
        if self._early is None:
            self._out.append(record)
            return
        self._early.append(record)
        if len(self._early) > _MOST_EARLY:
            self._release(expand=True)

    def _count(self, phase: Phase, keys: tuple[str, ...], text: str) -> None:
        seen = self._templates.get((phase, keys))
        if seen is not None:
            seen.count += 1
        elif len(self._templates) < _MOST_TEMPLATES:
            sample = grammar.strip_colours(text).strip()[:_LONGEST_SAMPLE]
            self._templates[phase, keys] = _Seen(sample, 1)

    def _enter(self, epoch: float | None) -> None:
        self._epoch = epoch
        self._step = None
        self._section = ""

    def _position(self, layout: _Layout, tokens: list[str], number: int) -> tuple[float | None, float | None]:
        """Return epoch and step of a line, and keep them for the lines after it."""
        if layout.epoch >= 0:
            epoch = float(tokens[layout.epoch])
            if epoch != self._epoch:
                self._enter(epoch)
            if layout.epochs >= 0:
                self.hints.setdefault("planned_epochs", float(tokens[layout.epochs]))
        if layout.step < 0:
            near = self._step is not None and number - self._step_line <= _STEP_REACH
            return self._epoch, self._step if near else None
        step = float(tokens[layout.step].replace(",", ""))
        total = float(tokens[layout.steps]) if layout.steps >= 0 else None
        return self._epoch, self._advance(step, total, layout, number)

    def _advance(self, step: float, total: float | None, layout: _Layout, number: int) -> float:
        """Return the step counted from the beginning of the run, for counters that begin anew each epoch."""
        epoch = self._epoch
        if layout.val and layout.inner:
            # the position within a validation pass is none of training's steps
            scale = self._per_epoch / total if self._per_epoch and total else 1.0
            return self._base + step * scale
        if epoch is not None and epoch.is_integer() and not layout.absolute:
            before, last = self._inner_epoch, self._inner_last
            if before == epoch and step > last:
                self._stride = step - last
            again = step < last or (step == last and not layout.header)
            if before is not None and epoch < before:
                self._base = 0.0
            elif before is not None and epoch > before and again:
                self._base += total * (epoch - before) if total else last + self._stride - step
            self._inner_epoch, self._inner_last = epoch, step
            if layout.inner:
                self._per_epoch = total
            step += self._base
        elif layout.inner and total:
            self.hints.setdefault("planned_steps", total)
        self._step, self._step_line = step, number
        return step

    # ---- lines seen for the first time

    def _new_line(self, line: bytes, number: int) -> None:
        text = _text(line)
        self._learn(line, text, number)

    def _learn(self, line: bytes, text: str, number: int) -> None:
        plain = grammar.strip_colours(text)
        if self._patterns and self._match_patterns(plain, number):
            return
        skeleton = line.translate(None, _DROP)
        crash = find_crash(_without_prefix(plain)) if len(plain) < _LONGEST_PATTERN_LINE else ""
        if crash:
            self.crash, self._since_crash = crash, 0
            return
        find_hints(plain, self.hints)
        self._counts.add(plain[:_LONGEST_PATTERN_LINE])
        table = read_header(plain, self._above)
        self._above = plain if "|" in plain else ""
        if table is not None:
            self._flush_bar()
            self._table = table
            return
        has_digit = _HAS_DIGIT.search(plain) is not None
        section = grammar.read_line(plain) if has_digit or len(plain) < 60 else None  # noqa: PLR2004
        if self._table is not None and has_digit and self._read_row(plain, number):
            return
        if section is None:
            self._remember(skeleton, _Shape(silent=True))
            return
        self._take(section, line, text, skeleton, number)

    def _take(self, found: grammar.Line, line: bytes, text: str, skeleton: bytes, number: int) -> None:  # noqa: C901, PLR0912
        if found.section and not found.slots:
            self._section = found.section
            return
        if not found.slots and found.lists:
            self._keep_lists(found, number)
            return
        shape, layout, tokens = _shape_of(found, text)
        if found.slots:
            if found.lists and self._keep_lists(found, number):
                return
            bar = not found.after_bar and _bar_count(line) is not None
            if shape is not None:
                shape.bar = bar
                if bar:
                    layout.step = layout.steps = -1
                known = self._known.get(skeleton)
                if known is not None and known.literals == shape.literals and known.tokens == shape.tokens:
                    known.join(shape)
                    shape = known
                else:
                    self._remember(skeleton, shape)
                if bar and self._draw(shape, line, number):
                    return
            self._flush_bar()
            if shape is not None:
                shape.read += 1
            self._emit(layout, tokens, text, number)
            return
        if found.header or (found.epoch is not None and _early_epoch(found)):
            self._flush_bar()
            if shape is not None:
                self._remember(skeleton, shape)
            self._emit(layout, tokens, text, number)
            return
        if found.numeric:
            self.unread += 1
        if not is_numeric_row(text.split()):
            self._remember(skeleton, _Shape(silent=True, numeric=found.numeric))

    def _remember(self, skeleton: bytes, shape: _Shape) -> None:
        if len(_LETTERS.findall(skeleton)) < 3:  # noqa: PLR2004 - rows of numbers look all the same
            return
        if len(self._known) >= _MOST_SHAPES:
            self._known = {k: s for k, s in self._known.items() if not s.silent}
            if len(self._known) >= _MOST_SHAPES:
                return
        self._known[skeleton] = shape

    def _read_row(self, plain: str, number: int) -> bool:
        if self._table is None:
            return False
        row = self._table.read(plain)
        if row is None or (not row.values and row.epoch is None):
            return False
        if unfinished(plain) or row == self._row:
            return True
        self._row = row
        self._flush_bar()
        self._place_row(row)
        if row.values:
            phase = row.phase or self._section
            record = Record(
                values=row.values,
                line=number,
                step=row.step if row.step is not None else None if row.epoch is not None else self._step,
                epoch=self._epoch,
                phase=phase,
                group=self._group,
            )
            self._count(phase, tuple(row.values), plain)
            self._add(record)
        return True

    def _place_row(self, row: Row) -> None:
        if row.epoch is not None and row.epoch != self._epoch:
            self._enter(row.epoch)
        if row.epochs is not None:
            self.hints.setdefault("planned_epochs", row.epochs)

    # ---- progress bars

    def _draw(self, shape: _Shape, line: bytes, number: int) -> bool:
        """Keep the newest state of a bar; True when the line is one."""
        count = _bar_count(line)
        if count is None:
            return False
        at, total, steps = count
        bar = self._bar
        if bar is not None and bar.total == total:
            again = at == bar.at and (bar.number == number or steps)
            if at > bar.at or again:
                if self._bars < _FEW_BARS and not bar.seen:
                    bar.redraws.append((bar.line, bar.number, bar.at))
                bar.shape, bar.line, bar.number, bar.at = shape, line, number, at
                if self._bars < _FEW_BARS:
                    bar.seen += 1
                    if bar.seen % bar.every == 0:
                        bar.redraws.append((line, number, at))
                        if len(bar.redraws) > _MOST_REDRAWS:
                            del bar.redraws[::2]
                            bar.every *= 2
                return True
        self._flush_bar()
        self._bar = _Bar(shape, line, number, at, total, steps)
        return True

    def _flush_bar(self) -> None:
        """Take the last state of a finished bar as its result.

        Where a log has but one or two bars, their redraws are all there is: they are kept until it is clear.
        """
        bar, self._bar = self._bar, None
        if bar is None:
            return
        self._bars += 1
        drawn: list[Record] = []
        if self._bars < _FEW_BARS and bar.redraws:
            kept, self._out, early, self._early = self._out, [], self._early, None
            counted = {which: seen.count for which, seen in self._templates.items()}
            for line, number, at in [*bar.redraws, (bar.line, bar.number, bar.at)]:
                if self._out and self._out[-1].step == self._drawn_steps + at:
                    continue
                self._extract(
                    self._known.get(line.translate(None, _DROP), bar.shape),
                    line,
                    number,
                    self._drawn_steps + at,
                )
            for which, seen in self._templates.items():
                seen.count = counted.get(which, 0)
            drawn, self._out, self._early = self._out, kept, early if early is not None else []
            self._drawn_steps += bar.total
        if drawn and self._early is not None:
            self._drawn.append((len(self._early), drawn))
        self._extract(bar.shape, bar.line, bar.number)
        if self._bars >= _FEW_BARS:
            self._release(expand=False)

    def _release(self, *, expand: bool) -> None:
        """Let go of the records held back since the first bar."""
        early, self._early = self._early, None
        drawn, self._drawn = self._drawn, []
        if early is None:
            return
        if not expand or not drawn:
            self._out += early
            return
        begin = 0
        for position, records in drawn:
            self._out += early[begin:position]
            self._out += records
            begin = position + 1  # the bar's last state is the last of its redraws
        self._out += early[begin:]

    # ---- values in brackets

    def _keep_lists(self, found: grammar.Line, number: int) -> bool:
        """Put aside lists that may be whole histories: stated once, with nothing that places them."""
        if found.lists.keys() & self._seen_keys:
            return True  # the history of what was logged line by line
        placed = (
            found.epoch is not None
            or found.step is not None
            or self._epoch is not None
            or self._step is not None
        )
        if self._lists is None or any(len(values) < 3 for values in found.lists.values()):  # noqa: PLR2004
            return False
        if placed and not (len(found.slots) == 0 or _history_like(found)):
            return False
        if any(key in self._lists for key in found.lists) or len(self._lists) > _MOST_HISTORIES:
            held, self._lists = self._list_lines, None
            for record in held:
                self._add(record)
            return False
        self._lists |= found.lists
        values = {s.key: s.value for s in found.slots}
        self._list_lines.append(Record(values=values, line=number, phase=found.phase, group=self._group))
        return True

    def _close_lists(self) -> None:
        if not self._lists:
            return
        fresh = {k: v for k, v in self._lists.items() if k not in self._seen_keys and grammar.is_metric(k)}
        line = self._list_lines[0].line if self._list_lines else 0
        for length in sorted({len(v) for v in fresh.values()}):
            columns = {k: v for k, v in fresh.items() if len(v) == length}
            self._count("", tuple(columns), ", ".join(f"{k}: [{length} values]" for k in columns))
            for index in range(length):
                row = {k: v[index] for k, v in columns.items()}
                self._out.append(Record(values=row, line=line, epoch=float(index)))

    # ---- the user's own patterns

    def _match_patterns(self, text: str, number: int) -> bool:
        text = text[:_LONGEST_PATTERN_LINE]
        for pattern in self._patterns:
            begun = time.perf_counter()
            found = pattern.search(text)
            if time.perf_counter() - begun > _SLOW_PATTERN:
                raise InputError(
                    f"expected a pattern that is quick to match, but got {pattern.pattern!r}",
                    where="--pattern",
                    hint="avoid repeats inside repeats",
                )
            if found:
                self._flush_bar()
                self._emit_pattern(found, text, number)
                return True
        return False

    def _emit_pattern(self, found: re.Match[str], text: str, number: int) -> None:  # noqa: C901
        values: dict[str, float] = {}
        places: dict[str, float] = {}
        phase: Phase = ""
        group, rank = self._group, ""
        for key, said in found.groupdict().items():
            if said is None:
                continue
            if key in {"phase", "mode", "split"}:
                phase = _PHASE_WORDS.get(said.strip().lower(), "")
                continue
            if key in {"fold", "client", "group"}:
                group = f"{key} {said.strip()}"
                continue
            if key == "rank":
                rank = said.strip()
                continue
            try:
                value = grammar.number(_DECIMAL_COMMA.sub(r"\1.\2", said.strip().rstrip("%")))
            except ValueError:
                continue
            if key in _PLACE_GROUPS:
                places[_PLACE_GROUPS[key]] = value
            else:
                values[key] = value / 100 if said.strip().endswith("%") else value
        self._group = group
        if "epoch" in places and places["epoch"] != self._epoch:
            self._enter(places["epoch"])
        if "step" in places:
            self._step, self._step_line = places["step"], number
        if values:
            self._count(phase, tuple(values), text)
            self._add(
                Record(
                    values=values,
                    line=number,
                    step=self._step,
                    epoch=self._epoch,
                    phase=phase,
                    group=group,
                    rank=rank,
                )
            )


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(
            f"expected a regular expression, but got {pattern!r}: {error}", where="--pattern"
        ) from error
    if not compiled.groupindex:
        raise InputError(
            f"expected named groups, but got {pattern!r}",
            where="--pattern",
            hint=r"for example epoch (?P<epoch>\d+) loss (?P<loss>\S+)",
        )
    if _NESTED_REPEAT.search(pattern):
        raise InputError(
            f"expected no repeat inside a repeat, but got {pattern!r}",
            where="--pattern",
            hint="such a pattern may never finish",
        )
    return compiled


def _wide_encoding(data: bytes) -> str:
    """Return the two-byte encoding the data is in, or an empty string."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = data[:4096]
    half = len(sample) // 2
    if half >= 8 and sample[1::2].count(0) > 0.6 * half and sample[0::2].count(0) < 0.1 * half:  # noqa: PLR2004
        return "utf-16-le"
    if half >= 8 and sample[0::2].count(0) > 0.6 * half and sample[1::2].count(0) < 0.1 * half:  # noqa: PLR2004
        return "utf-16-be"
    return ""


def _skeleton(text: str) -> bytes:
    return text.encode().translate(None, _DROP)


def _older(data: bytes) -> str:
    """Return the encoding of text that is no Unicode, or an empty string."""
    encoding = encoding_of(data)
    return "" if encoding.startswith("utf") else encoding


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode(older_encoding(line) or "utf-8", errors="replace")


def _without_prefix(text: str) -> str:
    """Drop a worker's name and a clock from the front of a line."""
    text = re.sub(
        r"^\W{0,2}(?:rank|default)\s?\d+\]?[:|]\s*|^\(\w[\w .:-]*pid=\d+[^)]*\)\s*", "", text, count=1
    )
    return text.strip()


def _last_of_runs(parts: list[bytes]) -> list[bytes]:
    """Drop the redraws of a bar that its next redraw replaces."""
    kept: list[bytes] = []
    label, percent = None, -1
    for part in parts:
        at = part.find(b"%|")
        done = part[at - 3 : at].strip() if at >= 3 else b""  # noqa: PLR2004 - "100"
        if not done.isdigit() or part.rstrip()[-1:] != b"]":
            label = None
            if part:
                kept.append(part)
            continue
        if label is not None and int(done) >= percent and part.startswith(label):
            kept[-1] = part
        else:
            label = part[: at - 3]
            kept.append(part)
        percent = int(done)
    return kept


def _bar_count(line: bytes) -> tuple[float, float, bool] | None:
    """Return where a progress bar stands, its total, and whether it is one of Keras' kind."""
    found = _BAR_COUNT.search(line)
    steps = False
    if found is None:
        found = _STEP_BAR.match(line)
        steps = True
    if found is None:
        return None
    try:
        return float(found[1]), float(found[2]), steps
    except ValueError:
        return None


def _early_epoch(found: grammar.Line) -> bool:
    """Tell whether a line without values begins with its epoch: a heading rather than a remark."""
    return found.epoch is not None and found.epoch.span[0] < 60  # noqa: PLR2004


def _history_like(found: grammar.Line) -> bool:
    """Tell whether one line holds several lists of one length: metrics by epoch."""
    return len(found.lists) >= 2 and len({len(values) for values in found.lists.values()}) == 1  # noqa: PLR2004


def _shape_of(found: grammar.Line, text: str) -> tuple[_Shape | None, _Layout, list[str]]:  # noqa: C901
    """Express what was read by the ordinals of the line's numbers.

    Returns
    -------
    The shape, None where the positions do not tell the values; the layout and the numbers that give the
    values of this line all the same.
    """
    matches = list(_TOKEN.finditer(text))
    tokens = [m[0] for m in matches]
    starts, ends = [m.start() for m in matches], [m.end() for m in matches]
    exact = found.plain

    def ordinals(span: grammar.Span) -> tuple[int, int]:
        first, last = bisect_right(ends, span[0]), bisect_left(starts, span[1]) - 1
        return (first, last) if first <= last else (-1, -1)

    def own(value: float | None, span: grammar.Span) -> int:
        nonlocal exact
        if value is None:
            return -1
        first, last = ordinals(span)
        if first < 0 or first != last or float(tokens[first]) != value:
            exact = False
            tokens.append(repr(value))
            return len(tokens) - 1
        return first

    part = text[found.part_span[0] : found.part_span[1]].strip()
    suffix = f"[{part}]" if part else ""
    slots: list[tuple[str, grammar.How, int, int]] = []
    literal: set[int] = set()
    for slot in found.slots:
        key = f"test_{slot.key}" if found.test else slot.key
        key += suffix
        a, b = ordinals(slot.key_span)
        if a >= 0:
            literal.update(range(a, b + 1))
        slots.append((key, *_ordinal_slot(slot, ordinals, tokens)))
        exact &= slots[-1][2] < len(matches)
    if part:
        a, b = ordinals(found.part_span)
        literal.update(range(a, b + 1) if a >= 0 else ())
    epoch, step = found.epoch, found.step
    layout = _Layout(
        keys=tuple(dict.fromkeys(key for key, *_ in slots)),
        slots=slots,
        epoch=own(epoch.at, epoch.span) if epoch else -1,
        epochs=own(epoch.of, epoch.of_span) if epoch else -1,
        step=own(step.at, step.span) if step else -1,
        steps=own(step.of, step.of_span) if step else -1,
        phase=found.phase,
        inner=found.inner,
        absolute=found.absolute,
        val=found.phase == "val" or found.test,
        header=not slots,
    )
    if found.group:
        layout.group_word = found.group.split()[0]
        layout.group = own(float(found.group.split()[1]), found.group_span)
    if found.rank:
        layout.rank = ordinals(found.rank_span)[0]
        layout.rank_word = found.rank
    used = {i for _, _, a, b in slots for i in range(a, b + 1)}
    literals = tuple(sorted(literal - used))
    if not exact:
        return None, layout, tokens
    shape = _Shape(tokens=len(matches), literals=literals)
    shape.layouts[tuple(tokens[i] for i in literals)] = layout
    shape.val = layout.val or any(re.search(r"val|test|dev|eval", key, re.IGNORECASE) for key in layout.keys)
    named = [
        text[a:b] for a, b in sorted({s.key_span for s in found.slots}) if any(c.isdigit() for c in text[a:b])
    ]
    if part:
        named.insert(0, text[max(0, found.part_span[0] - 6) : found.part_span[1] + 1])
    shape.names[tuple(tokens[i] for i in literals)] = b".*?".join(re.escape(name.encode()) for name in named)
    shape.make_check()
    return shape, layout, tokens


def _ordinal_slot(
    slot: grammar.Slot, ordinals: Callable[[grammar.Span], tuple[int, int]], tokens: list[str]
) -> tuple[grammar.How, int, int]:
    """Return how to read a slot from the line's numbers; a value they do not tell is appended to them."""
    first, last = ordinals(slot.span)
    if slot.how == "missing":
        return "missing", 0, 0
    if slot.how == "ratio":
        second = ordinals(slot.second)
        if first == last >= 0 and second[0] == second[1] >= 0:
            return "ratio", first, second[0]
    elif first >= 0 and slot.how != "fixed":
        scale = 100 if slot.how == "percent" else 1
        if first == last and float(tokens[first]) / scale == slot.value:
            return slot.how, first, last
        if slot.how == "number" and float("".join(tokens[first : last + 1])) == slot.value:
            return "fixed", first, last
    tokens.append(repr(slot.value))
    return "fixed", len(tokens) - 1, len(tokens) - 1
