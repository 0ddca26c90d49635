"""Where a command's words go: standard output or a file, and a progress bar for whoever waits."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from imbalance_doctor.errors import InputError

__all__ = ["page", "progress_bar", "write"]

_PAUSE = 30  # seconds at least between two lines that tell of progress


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
    """Progress on standard error, when something takes a while: a bar for a person, else now and then a line.

    Parameters
    ----------
    what
        Is done.
    least
        Total below which nothing is shown.
    noun
        What is counted; empty for bytes and whatever else is better told in per cent.
    """

    def __init__(self, what: str, least: int = 1 << 28, noun: str = "") -> None:
        self._what = what
        self._least = least
        self._noun = noun
        self._bar: Any = None
        self._since = time.monotonic(), 0
        self._done = 0
        self._next = self._since[0] + _PAUSE

    def __enter__(self) -> Callable[[int, int], None]:
        return self._draw if sys.stderr.isatty() else self._tell

    def _draw(self, done: int, total: int) -> None:
        if self._bar is None:
            if total < self._least:
                return
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)

    def _tell(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < self._done:  # the next file, or another look at the same one
            self._since = now, done
        self._done = done
        at, before = self._since
        if total < self._least or not before < done < total or now < self._next:
            return
        self._since, self._next = (now, done), now + _PAUSE
        amount = f"{done:,} of {total:,} {self._noun}" if self._noun else f"{done / total:.0%}"
        left = (now - at) / (done - before) * (total - done)
        sys.stderr.write(f"{self._what}: {amount}, {_duration(left)} to go\n")
        sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _duration(seconds: float) -> str:
    """Return a time to wait in words.

    >>> _duration(40), _duration(400), _duration(9000)
    ('40 s', '7 min', '2 h 30 min')
    """
    minutes = round(seconds / 60)
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
