"""A page of text: headings, paragraphs and tables, coloured in a terminal and plain everywhere else.

Nothing here reads markup out of text, and nothing but words and spaces carries meaning: without
colour the page says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING

from imbalance_doctor.report._format import clean, clean_lines, visible

if TYPE_CHECKING:
    from rich.text import Text

Part = str | tuple[str, str]  # text, or text and style
_NARROWEST = 40
_NARROWEST_COLUMN = 8
_GAP = 3  # spaces between columns
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
        """Write a table without lines; the last column takes what the others leave, and wraps."""
        from rich.text import Text

        lines = [[Text(clean(cell)) for cell in row] for row in rows]
        natural = [max(map(_cells, column)) for column in zip(map(Text, columns), *lines, strict=True)]
        widths = _shares(natural, self.width - _GAP * (len(columns) - 1))
        for number, line in enumerate([list(map(Text, columns)), *lines]):
            cells = [list(cell.wrap(self._console, width)) for cell, width in zip(line, widths, strict=True)]
            for parts in zip_longest(*cells, fillvalue=Text()):
                printed = Text()
                for column, (part, width) in enumerate(zip(parts, widths, strict=True)):
                    part.rstrip()
                    style = "dim" if number == 0 else "bold" if column == 0 else ""
                    printed.append(part.plain, style or None)
                    printed.append(" " * (width + _GAP - part.cell_len))
                printed.rstrip()
                self._console.print(printed, soft_wrap=True)

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


def _cells(text: Text) -> int:
    return text.cell_len


def _shares(natural: Sequence[int], width: int) -> list[int]:
    """Return the width of each column: as wide as its text, the widest narrowed until all fit.

    The first column, which names the row, gives way last, and only down to half the page.
    """
    *widths, last = natural
    widths[0] = min(widths[0], width // 2)
    wanted = min(last, width // 3)
    while sum(widths) + wanted > width:
        widest = max(range(1, len(widths)), key=widths.__getitem__, default=0)
        if widths[widest] <= _NARROWEST_COLUMN:
            break
        widths[widest] -= 1
    return [*widths, max(width - sum(widths), _NARROWEST_COLUMN)]


def _text(parts: Iterable[Part]) -> Text:
    from rich.text import Text

    text = Text()
    for part in parts:
        body, style = (part, "") if isinstance(part, str) else part
        text.append(visible(body), style or None)
    return text
