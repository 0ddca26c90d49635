"""A page of text: headings, paragraphs and tables, coloured in a terminal and plain everywhere else.

Nothing here reads markup out of text, and nothing but words and spaces carries meaning: without
colour the page says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING

from imbalance_doctor.report._format import clean, clean_lines, visible

if TYPE_CHECKING:
    from rich.text import Text

Part = str | tuple[str, str]  # text, or text and style
_NARROWEST = 40
_GAP = 3  # spaces between columns
_UNIT = re.compile(r"\S+(?: %\S*)*")
"""A word, or a number with its percent sign: what a cell is never broken inside of."""
SEVERITY_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


class Page:
    """Collects text; `finish` returns it.

    Parameters
    ----------
    color
        Write escape sequences for a terminal.
    width
        Columns.
    """

    def __init__(self, *, color: bool, width: int) -> None:
        from rich.console import Console

        self._file = StringIO()
        self.width = max(width, _NARROWEST)
        self._console = Console(
            file=self._file,
            width=self.width,
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
            _environ={},  # the caller has decided; COLUMNS and FORCE_COLOR must not decide again
        )

    def line(self, *parts: Part, lead: Part = "", indent: int = 0) -> None:
        """Write one paragraph, wrapped.

        Parameters
        ----------
        parts
            Text, or text and style.
        lead
            What stands before the first line; further lines start below its end.
        """
        first = _text([lead])
        room = max(self.width - indent - first.cell_len, _NARROWEST // 2)
        for number, part in enumerate(_text(parts).wrap(self._console, room)):
            part.rstrip()
            before = first if number == 0 else " " * first.cell_len
            self._console.print(" " * indent, before, part, sep="", soft_wrap=True)

    def unbroken(self, *parts: Part, indent: int = 0) -> None:
        """Write one line that is never wrapped, so that paths in it can be followed."""
        self._console.print(" " * indent, _text(parts), sep="", soft_wrap=True)

    def heading(self, title: str, note: str = "") -> None:
        """Write a heading after an empty line."""
        self.space()
        self.line((clean(title), "bold"), *((f"  {clean(note)}", "dim"),) if note else ())

    def labelled(
        self, label: str, *bodies: str, style: str = "bold", indent: int = 0, column: int = 15
    ) -> None:
        """Write a label with its text beside it, further paragraphs below."""
        for number, body in enumerate(bodies):
            name = f"{label}:" if label and number == 0 else ""
            self.line(body, lead=(f"{name:<{column}}", style), indent=indent)

    def bullets(self, items: Iterable[str], *, indent: int = 2) -> None:
        """Write a list."""
        for item in items:
            self.line(clean(item), lead="- ", indent=indent)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table without lines; the last column takes what the others leave, and wraps.

        No word is broken: where the words of a row do not fit side by side, each row becomes a block
        of lines ``label: value``.
        """
        from rich.cells import cell_len
        from rich.text import Text

        lines = [list(map(clean, row)) for row in rows]
        table = list(zip(columns, *lines, strict=True))
        natural = [max(map(cell_len, column)) for column in table]
        least = [
            max((cell_len(u) for cell in column for u in _UNIT.findall(cell)), default=0) for column in table
        ]
        widths = _shares(natural, least, self.width - _GAP * (len(columns) - 1))
        if not widths:
            self._blocks(columns, lines)
            return
        for number, line in enumerate([list(columns), *lines]):
            cells = [_wrapped(cell, width) for cell, width in zip(line, widths, strict=True)]
            for parts in zip_longest(*cells, fillvalue=""):
                printed = Text()
                for column, (part, width) in enumerate(zip(parts, widths, strict=True)):
                    style = "dim" if number == 0 else "bold" if column == 0 else ""
                    printed.append(part, style or None)
                    printed.append(" " * (width + _GAP - cell_len(part)))
                printed.rstrip()
                self._console.print(printed, soft_wrap=True)

    def _blocks(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write each row as its name, never broken, with a line for every other cell that is not empty."""
        for number, (name, *cells) in enumerate(rows):
            if number:
                self.space()
            self.unbroken((name, "bold"))
            for label, cell in zip(columns[1:], cells, strict=True):
                if cell:
                    self.line(cell, lead=(f"{label}: " if label else "", "dim"), indent=2)

    def code(self, text: str) -> None:
        """Write code as it is, ready to be copied."""
        from rich.text import Text

        for line in clean_lines(text).split("\n"):
            self._console.print(Text(f"    {line}", style="cyan"), soft_wrap=True)

    def space(self) -> None:
        """Write an empty line, unless there is one."""
        if not self._file.getvalue().endswith("\n\n"):
            self._console.print()

    def finish(self) -> str:
        """Return the page, without empty lines around it."""
        lines = [line.rstrip() for line in self._file.getvalue().split("\n")]
        return "\n".join(lines).strip("\n") + "\n"


def _shares(natural: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Return the width of each column: as wide as its text, the widest narrowed until all fit.

    No column gets less than its longest word takes. The last one gives way first, down to a third of the
    page; then the first, which names the row, down to half the page; then those between, the widest first;
    then again the first and the last.

    Returns
    -------
    list
        Empty where the words do not fit.
    """
    *widths, last = natural
    if sum(least) > width:
        return []
    wanted = max(min(last, width // 3), least[-1])
    while sum(widths) + wanted > width:
        between = [i for i in range(1, len(widths)) if widths[i] > least[i]]
        if widths[0] > max(width // 2, least[0]) or (not between and widths[0] > least[0]):
            widths[0] -= 1
        elif between:
            widths[max(between, key=widths.__getitem__)] -= 1
        else:
            wanted -= 1
    return [*widths, width - sum(widths)]


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a cell, which is as wide as its longest unit at least."""
    from rich.cells import cell_len

    lines = [""]
    for unit in _UNIT.findall(text):
        longer = f"{lines[-1]} {unit}" if lines[-1] else unit
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(unit)
    return lines


def _text(parts: Iterable[Part]) -> Text:
    from rich.text import Text

    text = Text()
    for part in parts:
        body, style = (part, "") if isinstance(part, str) else part
        text.append(visible(body), style or None)
    return text
