"""A page of text: headings, paragraphs and tables, coloured in a terminal and plain everywhere else.

Nothing here reads markup out of text, and nothing but words and spaces carries meaning: without
colour the page says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from imbalance_doctor.report._format import clean, clean_lines, visible

if TYPE_CHECKING:
    from rich.text import Text

Part = str | tuple[str, str]  # text, or text and style
_NARROWEST = 40
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
        """Write a table without lines: the first column stays whole, the last takes what is left."""
        from rich.table import Table
        from rich.text import Text

        lines = [[clean(cell) for cell in row] for row in rows]
        grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        for number, name in enumerate(columns):
            longest = max((len(line[number]) for line in lines), default=0)
            grid.add_column(
                Text(name),
                overflow="fold",
                min_width=min(longest, self.width // 2) if number == 0 else None,
                ratio=1 if number == len(columns) - 1 else None,
                style="bold" if number == 0 else "",
            )
        for line in lines:
            grid.add_row(*map(Text, line))
        self._console.print(grid)

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


def _text(parts: Iterable[Part]) -> Text:
    from rich.text import Text

    text = Text()
    for part in parts:
        body, style = (part, "") if isinstance(part, str) else part
        text.append(visible(body), style or None)
    return text
