"""Tables printed into a text log: a line of names, then lines of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from imbalance_doctor.evidence import Phase
from imbalance_doctor.sources.logs._text_grammar import is_metric, number

__all__ = ["Row", "Table", "is_numeric_row", "read_header", "unfinished"]

_CELL_NUMBER = re.compile(
    r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf)", re.IGNORECASE | re.ASCII
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_RATIO = re.compile(r"(\d+)/(\d+)", re.ASCII)
_PREFIX = re.compile(
    r"^.{0,120}?\bcopypaste: |^\W{0,2}\d[\d/:.,T -]{6,30}.{0,80}?\b(?:INFO|DEBUG|WARNING)\b[\s\]:>|-]*(?=\S)"
)
_BAR = re.compile(r"(?<![\d.])(?P<share>\d{1,3})%(?:\||\s{1,80}(?=\d{1,18}/\d{1,18}\s)).*$")
_WIDE = re.compile(r"\s{2,}|\t")
_NAME = re.compile(r"[^\W\d_]|^$|^#$")
_VALUE_LIKE = re.compile(r"(?<![\w@.:/(-])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.:])", re.ASCII)
_STATED = re.compile(r"(?<!\d):\s?[-+]?\.?\d")
_EPOCHS = frozenset({"epoch", "e", "ep", "epochs"})
_INDEX = frozenset({"", "#", "index"})
_STEPS = frozenset({"#", "step", "iter", "iteration", "steps", "iterations", "global_step", "batch"})
_LABELS = frozenset({"class", "label", "category", "name", "classes"})
_LOSS_TERMS = frozenset({"box", "obj", "cls", "dfl", "seg", "giou", "pose", "kobj"})
_REPORT = {"precision", "recall", "f1-score", "support"}
_LONGEST_NAME = 40
_MOST_COLUMNS = 200
_NUMERIC_SHARE = 0.6


@dataclass(slots=True)
class Row:
    """One row: its values by column, and where it stands."""

    values: dict[str, float]
    epoch: float | None = None
    epochs: float | None = None
    step: float | None = None
    phase: Phase = ""


@dataclass(slots=True)
class Table:
    """A header that applies to the rows below it.

    Attributes
    ----------
    names
        Column names as split by the header's separator.
    narrow
        As split at every blank: some headers set two of their names one blank apart.
    separator
        ``|``, ``,``, tab, or empty for blanks.
    """

    names: list[str]
    narrow: list[str]
    separator: str
    phase: Phase = ""
    report: bool = False

    def read(self, text: str) -> Row | None:
        """Read a row below this header; None when the line is none."""
        text = _without_bar(text)
        cells = _split(text, self.separator)
        if self.report:
            return self._read_report(cells)
        names = self._names_for(cells)
        if names is None:
            cells = text.split() if not self.separator else cells
            names = self._names_for(cells)
        if names is None or not is_numeric_row(cells):
            return None
        row = Row({}, phase=self.phase)
        label = ""
        for column, (name, cell) in enumerate(zip(names, cells, strict=True)):
            lowered = name.lower()
            value = _cell(cell, self.separator)
            ratio = _RATIO.fullmatch(cell)
            if lowered in _EPOCHS or (
                column == 0 and lowered in _INDEX and value is not None and value.is_integer()
            ):
                row.epoch = float(ratio[1]) if ratio else value
                row.epochs = float(ratio[2]) if ratio else None
            elif lowered in _STEPS:
                row.step = float(ratio[1]) if ratio else value
            elif lowered in _LABELS or (column == 0 and value is None and cell):
                label = cell
            elif value is not None and name:
                row.values[name] = value
        if label.lower() not in {"", "all", "total", "mean", "average", "avg", "overall"}:
            row.values = {f"{name}[{label}]": value for name, value in row.values.items()}
        return row

    def _names_for(self, cells: list[str]) -> list[str] | None:
        for names in (self.names, self.narrow):
            if len(names) == len(cells):
                return names
        # the index column has no name, or the last column has no value
        if len(cells) == len(self.names) + 1:
            return ["", *self.names]
        return None

    def _read_report(self, cells: list[str]) -> Row | None:
        label, numbers = " ".join(cells[:-4]), cells[-4:]
        values = [_cell(cell, "") for cell in numbers]
        if len(cells) == 3 and cells[0] == "accuracy" and (share := _cell(cells[1], "")) is not None:  # noqa: PLR2004
            return Row({"accuracy": share}, phase="val")
        if not label or any(value is None for value in values):
            return None
        row = Row({}, phase="val")
        for name, value in zip(self.names[:3], values, strict=False):
            if value is None:
                continue
            if label in {"macro avg", "weighted avg", "micro avg"}:
                row.values[f"{label.split()[0]}_{name}"] = value
            else:
                row.values[f"{name}[{label}]"] = value
        return row


def read_header(text: str, above: str = "") -> Table | None:  # noqa: C901, PLR0911
    """Return the table that a line of column names begins; None when the line is no header.

    Parameters
    ----------
    above
        The line before: some consoles set a column name in two lines.
    """
    text = _without_bar(text).rstrip(": ")
    separator = _separator_of(text)
    names = _split(text, separator)
    if separator == "|" and _separator_of(above) == "|":
        upper = _split(above, separator)
        if len(upper) == len(names) and any(upper) and "" in names and not is_numeric_row(upper):
            names = [f"{a} {b}".strip() for a, b in zip(upper, names, strict=True)]
            return Table(names, names, separator)
    if not 3 <= len(names) <= _MOST_COLUMNS:  # noqa: PLR2004
        return None
    if any(len(n) > _LONGEST_NAME or not _NAME.search(n) or _VALUE_LIKE.search(n) or "=" in n for n in names):
        return None
    if any(": " in n or n.endswith(":") or _STATED.search(n) for n in names):
        return None
    lowered = {n.lower() for n in names}
    measured = sum(is_metric(n) or n.lower() in _LOSS_TERMS for n in names)
    placed = bool(lowered & (_EPOCHS | _STEPS | _LABELS)) or "" in names[:1]
    if measured < 1 or (measured < 2 and not placed):  # noqa: PLR2004
        return None
    if lowered >= _REPORT:
        return Table(names, names, "", report=True)
    phase: Phase = ""
    if lowered & {"gpu_mem", "gpu mem"}:
        phase = "train"
    elif "class" in lowered and lowered & {"images", "labels", "instances", "targets"}:
        phase = "val"
    narrow = text.split()
    if phase:
        names, narrow = _detector_names(names, phase), _detector_names(narrow, phase)
    return Table(names, narrow, separator, phase)


def unfinished(text: str) -> bool:
    """Tell whether the row ends in a progress bar that is not full yet: a later redraw replaces it."""
    bar = _BAR.search(text)
    return bar is not None and int(bar["share"]) < 100  # noqa: PLR2004


def is_numeric_row(cells: list[str]) -> bool:
    """Tell whether most cells are numbers."""
    filled = [c for c in cells if c]
    numeric = sum(_cell(c, "") is not None or _RATIO.fullmatch(c) is not None for c in filled)
    return numeric >= 2 and numeric >= _NUMERIC_SHARE * len(filled)  # noqa: PLR2004


def _without_bar(text: str) -> str:
    text = _PREFIX.sub("", text)
    bar = _BAR.search(text)
    return text[: bar.start()].rstrip(": ") if bar else text


def _detector_names(names: list[str], phase: Phase) -> list[str]:
    """Spell out the one-letter columns of detection tables: ``Box(P  R  mAP50  mAP50-95)``."""
    out, suffix = [], ""
    for name in names:
        bare = name
        group = re.match(r"(Box|Mask|Pose)\((.*)", name)
        if group:
            suffix, bare = f"({group[1][0]})", group[2]
        bare = bare.rstrip(")")
        if phase == "val":
            bare = {"P": "precision", "R": "recall"}.get(bare, bare)
            out.append(
                bare + suffix if bare not in {"Class", "Images", "Instances", "Labels", "Targets"} else bare
            )
        else:
            out.append(f"{bare}_loss" if bare in _LOSS_TERMS else bare)
    return out


def _separator_of(text: str) -> str:
    if text.count("|") >= 2:  # noqa: PLR2004
        return "|"
    if text.strip().count("\t") >= 2:  # noqa: PLR2004
        return "\t"
    if text.count(",") >= 2 and not _WIDE.search(text.strip()):  # noqa: PLR2004
        return ","
    if text.count(";") >= 2:  # noqa: PLR2004
        return ";"
    return ""


def _split(text: str, separator: str) -> list[str]:
    if not separator:
        return [cell for cell in _WIDE.split(text.strip()) if cell]
    body = text.strip() if separator == "|" else text.rstrip("\r\n")
    if separator == "|":
        body = body.strip("|")
    if separator == "\t":
        body = body.rstrip("\t ")
    return [cell.strip().strip("\"'") for cell in body.split(separator)]


def _cell(cell: str, separator: str) -> float | None:
    percent = cell.endswith("%")
    text = cell[:-1].rstrip() if percent else cell
    if _CELL_NUMBER.fullmatch(text):
        value = float(text)
    elif separator != "," and _THOUSANDS.fullmatch(text):
        value = number(text)
    else:
        return None
    return value / 100 if percent else value
