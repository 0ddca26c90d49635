"""Every error a user can cause, as one tree.

::

    DoctorError                 base: one clear line, never a traceback
    ├── InputError              a labels, plan, config or output file cannot be used    exit 2
    └── RuleError               a rule file is malformed, or names what does not exist  exit 2

One grammar for all of them: ``path:line:column: expected X, but got Y; hint``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class DoctorError(Exception):
    """A problem that the user can mend, told in one line.

    Parameters
    ----------
    problem
        What is wrong: ``"expected X, but got Y"`` wherever that form fits.
    where
        File, or ``-`` for standard input, or the name of an option. Empty when nowhere in particular.
    line, column
        One-based position inside ``where``, when known.
    hint
        How to mend it; appended after a semicolon.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        problem: str,
        *,
        where: object = "",
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        self.problem = problem
        self.where = str(where)
        self.line = line
        self.column = column
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        position = self.where
        if self.line is not None:
            position += f":{self.line}"
            if self.column is not None:
                position += f":{self.column}"
        text = f"{position}: {self.problem}" if position else self.problem
        if self.hint:
            text += f"; {self.hint}"
        # A message quotes untrusted input: whatever it holds, it stays one printable line.
        return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


class InputError(DoctorError):
    """Labels, plan, configuration or output that cannot be used."""


class RuleError(DoctorError):
    """A rule file that cannot be loaded, or a rule id that does not exist."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the closest of `known`, or an empty string.

    >>> did_you_mean("queue_sise", ["queue_size", "batch_size"])
    "did you mean 'queue_size'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""
