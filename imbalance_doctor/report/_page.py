"""A page of text: headings, paragraphs and tables, coloured in a terminal and plain everywhere else.

Nothing here reads markup out of text, and nothing but words and spaces carries meaning: without
colour the page says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from imbalance_doctor.report._format import clean, clean_lines

if TYPE_CHECKING:
    from rich.text import Text

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

    def line(self, *parts: tuple[str, str] | str, indent: int = 0, hang: int = 0) -> None:
        """Write one paragraph of styled parts, wrapped and indented.

        Parameters
        ----------
        parts
            Text, or text and style.
        hang
            Further indent of every line but the first.
        """
        text = _text(parts)
        lines = text.wrap(self._console, max(self.width - indent - hang, _NARROWEST // 2), tab_size=4)
        for number, part in enumerate(lines):
            part.rstrip()
            self._console.print(" " * (indent + (hang if number else 0)), part, sep="", soft_wrap=True)

    def unbroken(self, *parts: tuple[str, str] | str, indent: int = 0) -> None:
        """Write one line that is never wrapped, so that paths in it can be followed."""
        self._console.print(" " * indent, _text(parts), sep="", soft_wrap=True)

    def heading(self, title: str, note: str = "") -> None:
        """Write a heading after an empty line."""
        self.space()
        self.line((clean(title), "bold"), *((f"  {clean(note)}", "dim"),) if note else ())

    def labelled(self, label: str, *bodies: str, style: str = "bold") -> None:
        """Write a label with its text beside it, further paragraphs below."""
        for number, body in enumerate(bodies):
            name = f"{label}:" if number == 0 else ""
            self.line((f"{name:<{_LABEL}}", style), body, hang=_LABEL)

    def bullets(self, items: Iterable[str], *, indent: int = 2) -> None:
        """Write a list."""
        for item in items:
            self.line(f"- {clean(item)}", indent=indent, hang=2)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
    ) -> None:
        """Write a table without lines; the last column wraps, the others keep their words whole."""
        from rich.table import Table
        from rich.text import Text

        grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        right = set(right)
        for number, name in enumerate(columns):
            last = number == len(columns) - 1
            grid.add_column(
                Text(name),
                justify="right" if number in right else "left",
                overflow="fold",
                no_wrap=False,
                ratio=1 if last else None,
                style="bold" if number == 0 else "",
            )
        for row in rows:
            grid.add_row(*(Text(clean(cell)) for cell in row))
        self._console.print(grid)

    def code(self, text: str) -> None:
        """Write code as it is, ready to be copied."""
        from rich.text import Text

        for line in clean_lines(text).split("\n"):
            self._console.print(Text(f"    {line}", style="cyan"), soft_wrap=True)

    def space(self) -> None:
        """Write an empty line."""
        self._console.print()

    def finish(self) -> str:
        """Return the page, without empty lines around it."""
        lines = [line.rstrip() for line in self._file.getvalue().split("\n")]
        return "\n".join(lines).strip("\n") + "\n"


_LABEL = 15


def _text(parts: Iterable[tuple[str, str] | str]) -> Text:
    from rich.text import Text

    text = Text()
    for part in parts:
        body, style = (part, "") if isinstance(part, str) else part
        text.append(body, style or None)
    return text
