"""``.csv``, ``.tsv``: a table with a header, read row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels import delimited as labels
from imbalance_doctor.sources.labels._values import Options as LabelOptions
from imbalance_doctor.sources.labels.base import LabelFile, is_textual
from imbalance_doctor.sources.scores._names import Roles, assign
from imbalance_doctor.sources.scores._parts import COLUMNS, Options, Piece, Source
from imbalance_doctor.sources.scores._rows import Number, Row, pieces
from imbalance_doctor.sources.scores.base import Reader

_WORDS = {"true": 1, "false": 0}
_LONGEST = 40


class Delimited(Reader):
    """Columns such as ``logit,target,step``; of several classes ``logit_0,logit_1,logit_2,target``."""

    title = labels.Delimited.title
    suffixes = labels.Delimited.suffixes
    rank = labels.Delimited.rank

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Take any text: what is no table is told from its first lines."""
        return is_textual(head)

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Find the columns by the header."""
        path = file.need_path(Delimited.title)
        header = labels.open_table(file, LabelOptions()).header
        if not header:
            raise InputError(
                "expected a header of distinct names, such as logit,target, but got none", where=path
            )
        roles = assign(header, options, path, "column")
        indices = [header.index(name) for name in roles.all]
        width, target_width = len(roles.scores), len(roles.targets)

        def read(most: int) -> Iterator[Piece]:
            rows = labels.open_table(file, LabelOptions()).rows()
            parsed = (_parse(line, row, indices, roles, path) for line, row in rows)
            yield from pieces(parsed, roles, width, target_width, path, most)

        return Source(
            where=path,
            width=width,
            target_width=target_width,
            columns=frozenset(roles.columns) & frozenset(COLUMNS),
            pieces=read,
            scale=roles.scale,
        )


def _parse(line: int, row: Sequence[str], indices: Sequence[int], roles: Roles, path: str) -> Row:
    numbers: list[Number] = []
    for position, index in enumerate(indices):
        number = _number(row[index])
        if number is None:
            name, text = roles.all[position], row[index].strip()
            hint = "give classes as numbers from 0" if name in roles.targets and text else ""
            got = f"'{text[:_LONGEST]}'" if text else "an empty field"
            raise InputError(f"expected a number as {name}, but got {got}", where=path, line=line, hint=hint)
        numbers.append(number)
    return line, numbers


def _number(text: str) -> Number | None:
    """Return the number that a field holds, a whole one unrounded; None for anything else."""
    if "_" in text:  # Python reads 1_000 as a number, no other program does
        return None
    try:
        return int(text) if text.removeprefix("-").isdecimal() else float(text)
    except ValueError:
        return _WORDS.get(text.strip().lower())
