"""Where a command's words go: standard output or a file, and a progress bar for whoever waits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from imbalance_doctor.errors import InputError

__all__ = ["page", "progress_bar", "write"]


def page(to: Path | None = None) -> Mapping[str, Any]:
    """Return how wide and how colourful text may be: colour is for terminals only."""
    import shutil

    color = to is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return {"color": color, "width": shutil.get_terminal_size((100, 24)).columns}


def write(text: str, output: SimpleNamespace | None = None) -> None:
    """Print a text that ends in one newline, or write it to the file that was asked for."""
    text = text if text.endswith("\n") else text + "\n"
    if output is None or output.output is None:
        sys.stdout.write(text)
        return
    try:
        with output.output.open("w" if output.overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(
            "expected a new file, but it exists", where=output.output, hint="add --overwrite to replace it"
        ) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=output.output) from None


class progress_bar:  # noqa: N801  used like a function
    """A progress bar on standard error, shown only to a person and only when reading takes a while."""

    def __init__(self, what: str, least: int = 1 << 28) -> None:
        self._what = what
        self._least = least

    def __enter__(self) -> Callable[[int, int], None] | None:
        self._bar: Any = None
        return self._advance if sys.stderr.isatty() else None

    def _advance(self, done: int, total: int) -> None:
        if self._bar is None:
            if total < self._least:
                return
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
