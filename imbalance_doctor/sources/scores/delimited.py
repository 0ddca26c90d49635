"""``.csv``, ``.tsv``: a table with a header, read row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels import delimited as labels
from imbalance_doctor.sources.labels._values import Options as LabelOptions
from imbalance_doctor.sources.labels.base import LabelFile, is_textual
from imbalance_doctor.sources.scores._names import assign
from imbalance_doctor.sources.scores._parts import Options, Source
from imbalance_doctor.sources.scores._rows import Number, text_source
from imbalance_doctor.sources.scores.base import Reader

_WORDS = {"true": 1, "false": 0}


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
        pick = itemgetter(*(header.index(name) for name in roles.all))

        def rows() -> Iterator[tuple[int, tuple[str, ...]]]:
            for line, row in labels.open_table(file, LabelOptions()).rows():
                yield line, pick(row)

        return text_source(rows, roles, (len(roles.scores), len(roles.targets)), path, _numbers)


def _numbers(texts: Sequence[str]) -> list[Number]:
    if "_" in "".join(texts):  # Python reads 1_000 as a number, no other program does
        raise ValueError
    try:
        return list(map(int, texts))
    except ValueError:
        pass
    try:
        return list(map(float, texts))
    except ValueError:
        return [_WORDS[word] if (word := text.strip().lower()) in _WORDS else float(text) for text in texts]
