"""The step from counted values to `LabelCounts`: ignore index, encoding, positive class, last checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import Encoding, LabelCounts
from imbalance_doctor.sources.labels._count import MOST_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORE_INDEX = -100
KINDS = ("classes", "indicator", "sequence")
USUAL_NAMES = frozenset(
    (
        *("y", "y_true", "label", "labels", "target", "targets", "class", "classes"),
        *("category", "ground_truth", "outcome", "fraud", "is_fraud"),
    )
)
TOO_MANY = f"expected class labels, but got more than {MOST_CLASSES:,} distinct values: looks like row ids"
SOFT_TARGETS = "soft targets and regression targets have no class counts"

_ALL_DISTINCT_FROM = 100
_MISSING = frozenset(("", "nan", "na", "n/a", "#n/a", "<na>", "null"))
_MISSING_AMONG_NUMBERS = frozenset(("none", "-", "?", ".", "nil", "missing"))
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_LARGEST_EXACT = 2**53
_BINARY = 2
_MOST_ROWS = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the labels are to be read; see `read_labels`.

    Attributes
    ----------
    tick
        Told the number of bytes counted since it was last called.
    """

    column: str | None = None
    key: str | None = None
    ignore_index: int | None = None
    kind: str | None = None
    tick: Callable[[int], None] | None = None

    @property
    def ignore(self) -> int:
        """The label value that is left out."""
        return IGNORE_INDEX if self.ignore_index is None else self.ignore_index


def is_missing(text: str) -> bool:
    """Tell whether a field of a text file stands for no value."""
    return text.strip().lower() in _MISSING


def is_number(text: str) -> bool:
    """Tell whether a field of a text file is written as a number."""
    return bool(_FLOAT.fullmatch(text.strip()) or _INFINITE.fullmatch(text.strip()))


def from_values(
    values: Mapping[int, int],
    options: Options,
    *,
    where: str,
    rows_per_sample: int = 1,
    assumptions: Sequence[str] = (),
) -> LabelCounts:
    """Make the record of class ids and the rows of each.

    It may hold a single class, or none: whether that is an error shows when all files are merged.
    """
    ids = sorted(value for value in values if value != options.ignore)
    ignored = values.get(options.ignore, 0)
    told = list(assumptions)
    if ignored and options.ignore_index is None:
        told.append(f"rows labelled {IGNORE_INDEX} are left out as the ignore index")
    return LabelCounts(
        classes=tuple(str(value) for value in ids),
        counts=_as_counts([values[value] for value in ids], where),
        rows=sum(values[value] for value in ids),
        ignored=ignored,
        encoding=_encoding(ids),
        rows_per_sample=rows_per_sample,
        assumptions=tuple(told),
        source=where,
    )


def from_names(
    names: Mapping[str, int],
    options: Options,
    *,
    where: str,
    rows_per_sample: int = 1,
    assumptions: Sequence[str] = (),
    lines: Mapping[str, int] | None = None,
) -> LabelCounts:
    """Make the record of labels written as text: class ids where all are whole numbers, else names.

    Parameters
    ----------
    lines
        Line on which each label is first seen, for errors.

    Raises
    ------
    InputError
        A label is missing, or is a number but not a whole one.
    """
    numbers: dict[int, int] = {}
    words: list[str] = []
    for text, count in names.items():
        line = (lines or {}).get(text)
        if is_missing(text) or _INFINITE.fullmatch(text.strip()):
            got = f"{text.strip()!r} ({count:,} times)" if text.strip() else f"{count:,} empty"
            raise InputError(f"expected a label in every row, but got {got}", where=where, line=line)
        number = _whole(text)
        if number is None:
            words.append(text)
        else:
            numbers[number] = numbers.get(number, 0) + count
    if not words:
        return from_values(
            numbers, options, where=where, rows_per_sample=rows_per_sample, assumptions=assumptions
        )
    told = tuple(assumptions)
    all_numbers = all(is_number(text) for text in names)
    for text in words:
        hint = ""
        if all_numbers and not text.strip().lstrip("+-").isdigit():
            hint = SOFT_TARGETS
        elif numbers and text.strip().lower() in _MISSING_AMONG_NUMBERS:
            hint = "remove rows without a label"
        if hint:
            raise InputError(
                f"expected whole numbers as class ids, but got {text.strip()!r}",
                where=where,
                line=(lines or {}).get(text),
                hint=hint,
            )
    if numbers:
        told = (*told, "some labels are numbers and some are words: all are read as names")
    ordered = sorted(names)
    return LabelCounts(
        classes=tuple(ordered),
        counts=_as_counts([names[name] for name in ordered], where),
        rows=sum(names.values()),
        encoding="names",
        rows_per_sample=rows_per_sample,
        assumptions=told,
        source=where,
    )


def from_indicator(
    columns: Sequence[str],
    ones: Any,
    rows: int,
    *,
    where: str,
    ignored: int = 0,
    assumptions: Sequence[str] = (),
) -> LabelCounts:
    """Make the record of multi-label rows: per column the rows that hold a 1."""
    return LabelCounts(
        classes=tuple(columns),
        counts=_as_counts(list(ones), where),
        rows=rows,
        ignored=ignored,
        kind="indicator",
        assumptions=tuple(assumptions),
        source=where,
    )


def merge(a: LabelCounts, b: LabelCounts) -> LabelCounts:
    """Add up the labels of two files; `positive` is left to be decided once all are merged.

    Raises
    ------
    InputError
        One holds class ids and the other indicators, or names, or other columns.
    """
    both = f"{a.source}, {b.source}"
    if a.kind != b.kind:
        raise InputError(
            f"expected files of one kind, but {a.source} holds {_KIND_WORDS[a.kind]} and {b.source} holds "
            f"{_KIND_WORDS[b.kind]}",
            where=b.source,
        )
    if a.kind == "indicator":
        if a.classes != b.classes:
            raise InputError(
                f"expected the {len(a.classes)} columns of {a.source}, but {b.source} has "
                f"{len(b.classes)}{' others' if len(a.classes) == len(b.classes) else ''}",
                where=b.source,
            )
        counts, classes, encoding = a.counts + b.counts, a.classes, a.encoding
    else:
        named = {side.encoding == "names" for side in (a, b) if side.classes}
        if len(named) > 1:
            raise InputError(
                f"expected files of one kind, but of {a.source} and {b.source} one holds class ids and the "
                "other names",
                where=b.source,
            )
        total: dict[str, int] = {}
        for side in (a, b):
            for name, count in zip(side.classes, side.counts.tolist(), strict=True):
                total[name] = total.get(name, 0) + count
        if len(total) > MOST_CLASSES:
            raise InputError(TOO_MANY, where=both)
        textual = named == {True}
        classes = tuple(sorted(total) if textual else sorted(total, key=int))
        counts = _as_counts([total[name] for name in classes], both)
        encoding = "names" if textual else _encoding([int(name) for name in classes])
    told = dict.fromkeys((*a.assumptions, *b.assumptions))
    per_sample = a.rows_per_sample
    if a.rows_per_sample != b.rows_per_sample:
        samples = sum((side.rows + side.ignored) / side.rows_per_sample for side in (a, b))
        per_sample = max(1, round((a.rows + b.rows + a.ignored + b.ignored) / max(samples, 1)))
        told["the files hold sequences of different lengths: the mean length is used"] = None
    return LabelCounts(
        classes=classes,
        counts=counts,
        rows=a.rows + b.rows,
        ignored=a.ignored + b.ignored,
        kind=a.kind,
        encoding=encoding,
        rows_per_sample=per_sample,
        assumptions=tuple(told),
        source=both,
    )


def settle(labels: LabelCounts, positive: str | None) -> LabelCounts:
    """Check what only all files together can show, and choose the positive class.

    Raises
    ------
    InputError
        No or one class only, a negative id that means nothing, ids of rows instead of classes, or a
        positive class that does not exist.
    """
    where = labels.source
    if not labels.rows:
        got = f"all {_rows(labels.ignored)} carry the ignore index" if labels.ignored else "there are none"
        raise InputError(f"expected labels, but {got}", where=where)
    if labels.kind == "indicator":
        _check_indicator(labels)
        if positive is not None and (len(labels.classes) > 1 or positive not in (*labels.classes, "1")):
            raise InputError(
                f"expected two classes to choose the positive one from, but got {len(labels.classes)} "
                "indicator column(s)",
                where=where,
            )
        return replace(labels, positive=0 if len(labels.classes) == 1 else None)
    _check_classes(labels)
    if positive is None:
        index, told = _positive(labels)
        return replace(labels, positive=index, assumptions=(*labels.assumptions, *told))
    positive = {"true": "1", "false": "0"}.get(positive.lower(), positive) if _is_01(labels) else positive
    if positive not in labels.classes:
        listed = ", ".join(labels.classes[:20])
        hint = did_you_mean(positive, labels.classes)
        raise InputError(
            f"expected a positive class among {listed}, but got '{positive}'", where=where, hint=hint
        )
    if len(labels.classes) != _BINARY:
        raise InputError(
            f"expected two classes to choose the positive one from, but got {len(labels.classes)}",
            where=where,
        )
    return replace(labels, positive=labels.classes.index(positive))


_KIND_WORDS = {"classes": "one class per row", "indicator": "a multi-label indicator"}


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _is_01(labels: LabelCounts) -> bool:
    return labels.classes == ("0", "1")


def _as_counts(counts: Sequence[int], where: str) -> NDArray[np.int64]:
    if sum(counts) > _MOST_ROWS:
        raise InputError(f"expected at most {_MOST_ROWS:,} rows, but got more", where=where)
    return np.array(counts, np.int64)


def _encoding(ids: Sequence[int]) -> Encoding:
    if list(ids) == [-1, 1]:
        return "signed"
    if list(ids) == list(range(len(ids))):
        return "standard"
    if list(ids) == list(range(1, len(ids) + 1)):
        return "shifted"
    return "gaps"


def _whole(text: str) -> int | None:
    """Return the class id that a text stands for; None for a word, a fraction, or an id like ``007``."""
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= len(str(_MOST_ROWS)) + 1 else None
    if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit():
        number = float(text)
        if abs(number) <= _LARGEST_EXACT and number.is_integer():
            return int(number)
    return None


def _check_indicator(labels: LabelCounts) -> None:
    ones, cells = int(labels.counts.sum()), labels.rows * len(labels.classes)
    if ones in {0, cells}:
        raise InputError(
            f"expected both 0 and 1 in the indicator columns, but found only {int(ones > 0)}",
            where=labels.source,
        )


def _check_classes(labels: LabelCounts) -> None:
    where = labels.source
    present = [
        (name, count) for name, count in zip(labels.classes, labels.counts.tolist(), strict=True) if count > 0
    ]
    if labels.encoding == "gaps" and int(labels.classes[0]) < 0:
        name, count = labels.classes[0], int(labels.counts[0])
        raise InputError(
            f"expected class ids from 0, or -1 and 1, but got {name} ({_rows(count)})",
            where=where,
            hint=f"where {name} marks rows without a label, give --ignore-index {name}",
        )
    if len(present) == 1:
        ((name, count),) = present
        raise InputError(
            f"expected at least two classes, but found only class {name} ({_rows(count)})", where=where
        )
    if len(present) == labels.rows >= _ALL_DISTINCT_FROM:
        raise InputError(
            f"expected class labels, but all {labels.rows:,} values are different: looks like row ids",
            where=where,
        )


def _positive(labels: LabelCounts) -> tuple[int | None, tuple[str, ...]]:
    if len(labels.classes) != _BINARY:
        return None, ()
    if _is_01(labels) or labels.encoding == "signed":
        return 1, ()
    if tuple(name.lower() for name in labels.classes) == ("false", "true"):
        return 1, ()
    first, second = labels.counts.tolist()
    index = 0 if first < second else 1
    name = labels.classes[index]
    if first == second:
        return index, (f"class {name} is taken as positive: both are equally frequent",)
    return index, (f"class {name} is taken as positive: the rarer of the two",)
