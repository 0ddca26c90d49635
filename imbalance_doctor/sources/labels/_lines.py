"""What the text formats share: decoding line by line, and counting one column."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels._count import MOST_CLASSES
from imbalance_doctor.sources.labels._values import TOO_MANY, Options, is_missing
from imbalance_doctor.sources.labels.base import LabelFile

_LONGEST_LINE = 2**20


def decoded_lines(file: LabelFile, options: Options) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their ends, a byte-order mark removed.

    Raises
    ------
    InputError
        A line is not UTF-8, holds a NUL byte, or is absurdly long.
    """
    with file.open() as raw:
        number = 0
        buffered = raw if isinstance(raw, io.BufferedIOBase) else io.BufferedReader(raw)  # type: ignore[type-var]
        while line := buffered.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise InputError(
                    "expected a line of text, but got more than 1 MiB", where=file.name, line=number
                )
            if b"\0" in line:
                raise InputError("expected text, but got a NUL byte", where=file.name, line=number)
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"expected UTF-8 text, but got the byte 0x{line[error.start]:02x}",
                    where=file.name,
                    line=number,
                    hint="save it as UTF-8",
                ) from error
            if options.tick is not None:
                options.tick(len(line))
            yield text


@dataclass
class Tally:
    """Counts labels written as text, and remembers where each was first seen."""

    where: str
    counts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def add(self, label: str, line: int) -> None:
        """Count one label."""
        if label in self.counts:
            self.counts[label] += 1
            return
        if is_missing(label):
            got = f"'{label.strip()}'" if label.strip() else "an empty one"
            raise InputError(
                f"expected a label, but got {got}",
                where=self.where,
                line=line,
                hint="remove rows without a label",
            )
        if len(self.counts) >= MOST_CLASSES:
            raise InputError(TOO_MANY, where=self.where)
        self.counts[label] = 1
        self.lines[label] = line
