"""``.txt``: one label per line."""

from __future__ import annotations

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels._lines import Tally, decoded_lines
from imbalance_doctor.sources.labels._values import USUAL_NAMES, Options, from_names, is_number
from imbalance_doctor.sources.labels.base import LabelFile, Reader, is_textual


class Text(Reader):
    """One label per line; blank lines at the end do not count, nor does a heading with a usual name."""

    title = "text with one label per line (.txt)"
    suffixes = (".txt",)
    rank = 3

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Take any text."""
        return is_textual(head)

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the lines."""
        if options.kind == "indicator":
            raise InputError("expected multi-label rows, but got one label per line", where=file.name)
        tally = Tally(file.name)
        told: tuple[str, ...] = ()
        heading, blank = "", 0
        for number, line in enumerate(decoded_lines(file, options), 1):
            label = line.strip()
            if number == 1 and label.strip("#\"' ").lower() in USUAL_NAMES:
                heading = label
            elif not label:
                blank = blank or number
            elif blank:
                raise InputError("expected a label, but got an empty line", where=file.name, line=blank)
            elif number == 1 and label.startswith("#"):
                heading = label
            else:
                tally.add(label, number)
        if heading:
            told = ("the first line is read as a heading",)
        if not tally.counts:
            raise InputError("expected one label per line, but got none", where=file.name)
        _refuse_columns(tally)
        return from_names(tally.counts, options, where=file.name, lines=tally.lines, assumptions=told)


def _refuse_columns(tally: Tally) -> None:
    """Refuse a table of numbers: its lines are no labels."""
    for separator in ("\t", ",", ";", " "):
        fields = [label.split(separator) for label in tally.counts]
        if all(len(row) == len(fields[0]) > 1 and all(is_number(f) for f in row) for row in fields):
            name = {"\t": "tabs", " ": "spaces"}.get(separator, f"'{separator}'")
            raise InputError(
                f"expected one label per line, but got {len(fields[0])} numbers separated by {name}",
                where=tally.where,
                line=next(iter(tally.lines.values())),
                hint="name a table .csv or .tsv" if separator != " " else "write one label per line",
            )
